-- What search fields are found by: one document for each field of each record that has a value.
-- `shard` is the record's shard key, or its id. Made of the records, so it is in no backup.
CREATE TABLE kernel__search (
    seq        INTEGER NOT NULL PRIMARY KEY,
    shard      TEXT NOT NULL,
    collection TEXT NOT NULL,
    record     TEXT NOT NULL,
    field      TEXT NOT NULL,
    document   TEXT NOT NULL,
    UNIQUE (shard, collection, record, field)
);

-- The grams of the document with the same number. They come ready made: the tokenizer parts them at
-- spaces and keeps everything that is not ASCII.
CREATE VIRTUAL TABLE kernel__search_grams USING fts5 (
    grams, content = '', contentless_delete = 1, detail = 'none', tokenize = 'ascii'
);

-- How far each search field's documents are made: version of the making, last record, done or not.
CREATE TABLE kernel__search_state (
    collection TEXT NOT NULL,
    field      TEXT NOT NULL,
    version    INTEGER NOT NULL,
    last       TEXT,
    done       INTEGER NOT NULL,
    PRIMARY KEY (collection, field)
);

-- Who changed a record by name, what was done and why; null in changes from before.
ALTER TABLE kernel__changes ADD COLUMN by_name TEXT;
ALTER TABLE kernel__changes ADD COLUMN action TEXT;
ALTER TABLE kernel__changes ADD COLUMN note TEXT;
