-- What the rooms to come stand on. Short-lived state of protocols: codes, refresh tokens, requests, sessions. What an
-- invariant needs is a column; what only one kind knows is in the payload, as JSON text.

CREATE TABLE artifact (
    kind          TEXT   NOT NULL,
    lookup        BYTEA  NOT NULL,
    second_lookup BYTEA,
    version       BIGINT NOT NULL,
    family        TEXT   NOT NULL,
    grant_id      TEXT,
    client        TEXT REFERENCES owner (id),
    subject       TEXT REFERENCES owner (id),
    organisation  TEXT   NOT NULL REFERENCES owner (id),
    expires_at    BIGINT NOT NULL,
    consumed_at   BIGINT,
    payload       TEXT   NOT NULL,
    PRIMARY KEY (kind, lookup)
) /* STRICT */;

CREATE UNIQUE INDEX artifact_by_second_lookup ON artifact (kind, second_lookup) WHERE second_lookup IS NOT NULL;
CREATE INDEX artifact_by_family ON artifact (family);
CREATE INDEX artifact_by_grant ON artifact (grant_id) WHERE grant_id IS NOT NULL;
CREATE INDEX artifact_by_end ON artifact (expires_at);

-- "Everything before" of an owner ends by raising this: what carries an older generation is refused.
ALTER TABLE owner ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;

-- What was revoked before its end though no row of its own says so, such as a token; kept until it would have ended.
CREATE TABLE ended (
    kind     TEXT   NOT NULL,
    value    TEXT   NOT NULL,
    until_at BIGINT NOT NULL,
    PRIMARY KEY (kind, value)
) /* STRICT */;

CREATE INDEX ended_by_end ON ended (until_at);
