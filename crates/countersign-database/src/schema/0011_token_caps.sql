-- How many artifacts each owner (a client, and its organisation) has that end within the same minute, counted by each node
-- for itself. What has ended no longer counts; nothing is ever subtracted.

CREATE TABLE artifact_count (
    owner   TEXT   NOT NULL REFERENCES owner (id),
    ends_at BIGINT NOT NULL,
    node    TEXT   NOT NULL,
    n       BIGINT NOT NULL,
    PRIMARY KEY (owner, ends_at, node)
) /* STRICT */;

CREATE INDEX artifact_count_by_end ON artifact_count (ends_at);

-- What was kept before anybody counted belongs to no node.
INSERT INTO artifact_count (owner, ends_at, node, n)
SELECT client, (expires_at + 59999) / 60000 * 60000, '', COUNT(*)
FROM artifact
WHERE client IS NOT NULL
GROUP BY client, (expires_at + 59999) / 60000 * 60000;

INSERT INTO artifact_count (owner, ends_at, node, n)
SELECT organisation, (expires_at + 59999) / 60000 * 60000, '', COUNT(*)
FROM artifact
GROUP BY organisation, (expires_at + 59999) / 60000 * 60000;
