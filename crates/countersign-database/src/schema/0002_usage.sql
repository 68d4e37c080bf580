-- What each node has spent of each allowance within its latest window.

CREATE TABLE usage (
    meter     TEXT   NOT NULL,
    allowance TEXT   NOT NULL,
    node      TEXT   NOT NULL,
    win       BIGINT NOT NULL,
    spent     BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (meter, allowance, node)
) /* STRICT */;

CREATE INDEX usage_by_age ON usage (at);
