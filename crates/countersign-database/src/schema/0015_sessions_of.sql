-- What began in a session of a browser at the issuer ends with it; and people look at their sessions.

ALTER TABLE artifact ADD COLUMN parent TEXT;

CREATE INDEX artifact_by_parent ON artifact (parent) WHERE parent IS NOT NULL;
CREATE INDEX artifact_by_subject ON artifact (subject, kind, expires_at, family) WHERE kind IN ('sign_in', 'web_session');
