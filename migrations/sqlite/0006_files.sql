-- What lies in the blob store. The same bytes are one blob within an owner: an organisation, or a
-- user who acts for none; blobs of before have the owner ''. `place` is the blob's name in the store.
CREATE TABLE kernel__blobs (
    digest       TEXT NOT NULL,
    owner        TEXT NOT NULL,
    place        TEXT NOT NULL,
    size         INTEGER NOT NULL,
    media        TEXT NOT NULL,
    state        TEXT NOT NULL,
    finding      TEXT,
    at           INTEGER NOT NULL,
    unused_since INTEGER,
    PRIMARY KEY (digest, owner)
);
CREATE INDEX kernel__blobs_waiting ON kernel__blobs (at) WHERE state = 'waiting';

-- What somebody has uploaded, or begun to, and may name in an action until it ends. `parts` are the
-- pieces that are kept, `<bytes>:<name>` with commas between; the digest is there once it is whole.
CREATE TABLE kernel__uploads (
    id      TEXT NOT NULL PRIMARY KEY,
    owner   TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name    TEXT NOT NULL,
    size    INTEGER NOT NULL,
    parts   TEXT NOT NULL,
    digest  TEXT,
    ends_at INTEGER NOT NULL
);
CREATE INDEX kernel__uploads_digest ON kernel__uploads (digest, owner);
CREATE INDEX kernel__uploads_end ON kernel__uploads (ends_at);
