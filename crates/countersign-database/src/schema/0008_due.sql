-- Work that is due at a time, each piece done once: whoever works takes a lease, and what was done stays until its time
-- is long past, so that it is not asked for again.

CREATE TABLE due (
    kind        TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    due_at      BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    holder      TEXT   NOT NULL,
    attempt     BIGINT NOT NULL,
    done_at     BIGINT,
    PRIMARY KEY (kind, subject)
) /* STRICT */;

CREATE INDEX due_by_time ON due (kind, due_at) WHERE done_at IS NULL;
CREATE INDEX due_by_end ON due (due_at);

INSERT INTO due (kind, subject, due_at, lease_until, holder, attempt)
SELECT 'api_key.expiring', id, expires_at, 0, '', 0
FROM credential
WHERE kind = 'api_key' AND expires_at IS NOT NULL AND revoked_at IS NULL;
