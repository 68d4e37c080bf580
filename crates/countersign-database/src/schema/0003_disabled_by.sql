-- Whose word has switched an owner off: nobody of less authority switches it on. Unknown means an operator's.

ALTER TABLE owner ADD COLUMN disabled_by TEXT;
