-- What search fields are found by: one document for each field of each record that has a value, and
-- its grams. `shard` is the record's shard key, or its id. Made of the records, so it is in no
-- backup.
CREATE TABLE kernel__search (
    shard      uuid NOT NULL,
    collection text COLLATE "C" NOT NULL,
    record     uuid NOT NULL,
    field      text COLLATE "C" NOT NULL,
    document   text COLLATE "C" NOT NULL,
    grams      tsvector NOT NULL,
    PRIMARY KEY (shard, collection, record, field)
);
CREATE INDEX kernel__search_grams ON kernel__search USING gin (grams);

-- How far each search field's documents are made: version of the making, last record, done or not.
CREATE TABLE kernel__search_state (
    collection text COLLATE "C" NOT NULL,
    field      text COLLATE "C" NOT NULL,
    version    bigint NOT NULL,
    last       uuid,
    done       bigint NOT NULL,
    PRIMARY KEY (collection, field)
);

-- Who changed a record by name, what was done and why; null in changes from before.
ALTER TABLE kernel__changes ADD COLUMN by_name text COLLATE "C";
ALTER TABLE kernel__changes ADD COLUMN action text COLLATE "C";
ALTER TABLE kernel__changes ADD COLUMN note text COLLATE "C";
