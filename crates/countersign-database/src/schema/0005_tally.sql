-- How many rows each organisation keeps, counted by each node for itself: nodes never wait for each other's counts.

CREATE TABLE tally (
    organisation TEXT   NOT NULL REFERENCES owner (id),
    node         TEXT   NOT NULL,
    credentials  BIGINT NOT NULL,
    members      BIGINT NOT NULL,
    PRIMARY KEY (organisation, node)
) /* STRICT */;

-- What there was before anybody counted belongs to no node.
INSERT INTO tally (organisation, node, credentials, members)
SELECT o.id, '',
       (SELECT COUNT(*) FROM credential AS c WHERE c.organisation = o.id),
       (SELECT COUNT(*) FROM owner AS m WHERE m.organisation = o.id AND m.id <> o.id)
FROM owner AS o
WHERE o.kind = 'organisation';
