-- Where the kept part of each node's audit chain begins: after this event, the last that was removed for its age.

CREATE TABLE audit_start (
    node TEXT   NOT NULL PRIMARY KEY,
    n    BIGINT NOT NULL,
    hash BYTEA  NOT NULL
) /* STRICT */;

-- The sums that can grow old: those of the window `ever` never do, and are not to be passed over each time.
CREATE INDEX usage_by_end ON usage (at) WHERE win <> 0;
