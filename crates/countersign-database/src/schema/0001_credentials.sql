-- Times are milliseconds of Unix time; hashes are bytes; ids are texts that we made; states are nullable times.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) /* STRICT */;

CREATE TABLE sealed (
    purpose TEXT  NOT NULL,
    owner   TEXT  NOT NULL,
    value   BYTEA NOT NULL,
    PRIMARY KEY (purpose, owner)
) /* STRICT */;

CREATE TABLE node (
    id           TEXT   NOT NULL PRIMARY KEY,
    incarnation  BIGINT NOT NULL,
    last_change  BIGINT NOT NULL,
    last_event   BIGINT NOT NULL,
    event_hash   BYTEA  NOT NULL,
    heartbeat_at BIGINT NOT NULL
) /* STRICT */;

CREATE TABLE owner (
    id           TEXT   NOT NULL PRIMARY KEY,
    kind         TEXT   NOT NULL,
    organisation TEXT   NOT NULL REFERENCES owner (id),
    name         TEXT   NOT NULL,
    version      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    disabled_at  BIGINT
) /* STRICT */;

CREATE INDEX owner_by_age ON owner (created_at, id);
CREATE INDEX owner_by_organisation ON owner (organisation, created_at, id);
CREATE INDEX owner_organisations ON owner (created_at, id) WHERE kind = 'organisation';

CREATE TABLE credential (
    id           TEXT   NOT NULL PRIMARY KEY,
    kind         TEXT   NOT NULL,
    lookup       BYTEA  NOT NULL UNIQUE,
    pepper       BIGINT NOT NULL,
    organisation TEXT   NOT NULL REFERENCES owner (id),
    owner        TEXT   NOT NULL REFERENCES owner (id),
    version      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    disabled_at  BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT,
    payload      TEXT   NOT NULL
) /* STRICT */;

CREATE INDEX credential_by_age ON credential (kind, created_at, id);
CREATE INDEX credential_by_organisation ON credential (organisation, kind, created_at, id);
CREATE INDEX credential_by_owner ON credential (owner, kind, created_at, id);

CREATE TABLE mark (
    lookup   BYTEA  NOT NULL PRIMARY KEY,
    made     TEXT   NOT NULL,
    until_at BIGINT NOT NULL
) /* STRICT */;

CREATE INDEX mark_by_end ON mark (until_at);

CREATE TABLE change (
    node    TEXT   NOT NULL,
    n       BIGINT NOT NULL,
    kind    TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    lookup  BYTEA,
    at      BIGINT NOT NULL,
    PRIMARY KEY (node, n)
) /* STRICT */;

CREATE INDEX change_by_age ON change (at);

CREATE TABLE audit_event (
    node         TEXT   NOT NULL,
    n            BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    organisation TEXT,
    subject      TEXT,
    body         TEXT   NOT NULL,
    hash         BYTEA  NOT NULL,
    PRIMARY KEY (node, n)
) /* STRICT */;

CREATE INDEX audit_event_by_organisation ON audit_event (organisation, node, n);
CREATE INDEX audit_event_by_age ON audit_event (at, node, n);

CREATE TABLE decision_count (
    minute     BIGINT NOT NULL,
    route      TEXT   NOT NULL,
    credential TEXT   NOT NULL,
    verdict    TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    count      BIGINT NOT NULL,
    PRIMARY KEY (minute, route, credential, verdict, reason)
) /* STRICT */;
