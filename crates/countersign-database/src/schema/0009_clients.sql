-- What is registered of an owner as a client of the authorization server, as JSON text; others have none.
ALTER TABLE owner ADD COLUMN client TEXT;

-- What tokens may be for, beside what the settings declare.
CREATE TABLE resource (
    id         TEXT   NOT NULL PRIMARY KEY,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    payload    TEXT   NOT NULL
) /* STRICT */;

CREATE INDEX resource_by_age ON resource (created_at, id);
