-- Hashes of foreign keys that were taken over once: keyed hashes, kept for as long as the installation lives. A row
-- outlives its key, since a hash that is forgotten could be taken over again.

CREATE TABLE taken_over (
    lookup       BYTEA  NOT NULL PRIMARY KEY,
    digest       BYTEA  NOT NULL,
    organisation TEXT   NOT NULL REFERENCES owner (id),
    owner        TEXT   NOT NULL REFERENCES owner (id),
    at           BIGINT NOT NULL
) /* STRICT */;

CREATE UNIQUE INDEX taken_over_by_digest ON taken_over (digest, organisation);
