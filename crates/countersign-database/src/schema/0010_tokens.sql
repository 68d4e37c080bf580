-- Signing keys: their public part and their times. The private part lies in `sealed`, under the purpose `signing-key`.
-- Of one slot (what is signed, and how) each number is taken once.

CREATE TABLE signing_key (
    id         TEXT   NOT NULL PRIMARY KEY,
    purpose    TEXT   NOT NULL,
    algorithm  TEXT   NOT NULL,
    number     BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    jwk        TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    active_at  BIGINT NOT NULL,
    retired_at BIGINT,
    ends_at    BIGINT,
    revoked_at BIGINT,
    rotate_at  BIGINT NOT NULL,
    UNIQUE (purpose, algorithm, number)
) /* STRICT */;

CREATE INDEX signing_key_by_end ON signing_key (ends_at) WHERE ends_at IS NOT NULL;

-- How often everything that was issued has ended: what names an earlier one is refused.
CREATE TABLE incarnation (
    id TEXT   NOT NULL PRIMARY KEY,
    n  BIGINT NOT NULL
) /* STRICT */;

INSERT INTO incarnation (id, n) VALUES ('installation', 1);
