-- Clients that people have registered for themselves.

ALTER TABLE owner ADD COLUMN registrant TEXT REFERENCES owner (id);

CREATE INDEX owner_by_registrant ON owner (registrant) WHERE registrant IS NOT NULL;
