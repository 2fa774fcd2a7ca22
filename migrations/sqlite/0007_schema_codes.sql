-- A keyed code of each declaration: what a module's tables are read by was written by the platform.
ALTER TABLE kernel__schema ADD COLUMN code BLOB;
