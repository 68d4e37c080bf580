-- Identities at other providers that are people's here: by the provider's issuer and its name for them, of one person each.

CREATE TABLE linked_identity (
    issuer     TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    person     TEXT   NOT NULL REFERENCES person (id),
    shown      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
) /* STRICT */;

CREATE INDEX linked_identity_by_person ON linked_identity (person, created_at);
