-- A person who has proven an address signs in by it. Folded; several may have proven the same one.
-- Addresses that nobody has proven are not in here: they name nobody.

CREATE INDEX person_by_address ON person (lower(email)) WHERE email_verified_at IS NOT NULL;
