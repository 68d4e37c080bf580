-- What people allow clients: one row for each pair. To withdraw it is to remove the row, and to end what was issued for it.

CREATE TABLE consent (
    id           TEXT   NOT NULL PRIMARY KEY,
    client       TEXT   NOT NULL REFERENCES owner (id),
    subject      TEXT   NOT NULL REFERENCES owner (id),
    organisation TEXT   NOT NULL REFERENCES owner (id),
    scopes       TEXT   NOT NULL,
    client_hash  BYTEA  NOT NULL,
    version      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    UNIQUE (subject, client)
) /* STRICT */;

CREATE INDEX consent_by_client ON consent (client);
CREATE INDEX consent_by_age ON consent (created_at, id);
