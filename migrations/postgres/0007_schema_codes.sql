-- A keyed code of each declaration: what a module's tables are read by was written by the platform.
ALTER TABLE kernel__schema ADD COLUMN code bytea;
-- A node of a release before cannot replace a declaration any more; those that are there are given
-- their codes at the next start.
ALTER TABLE kernel__schema ADD CONSTRAINT kernel__schema_code CHECK (code IS NOT NULL) NOT VALID;
