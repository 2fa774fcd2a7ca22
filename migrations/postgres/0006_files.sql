-- What lies in the blob store. The same bytes are one blob within an owner: an organisation, or a
-- user who acts for none; blobs of before have the owner ''. `place` is the blob's name in the store.
CREATE TABLE kernel__blobs (
    digest       text COLLATE "C" NOT NULL,
    owner        text COLLATE "C" NOT NULL,
    place        text COLLATE "C" NOT NULL,
    size         bigint NOT NULL,
    media        text COLLATE "C" NOT NULL,
    state        text COLLATE "C" NOT NULL,
    finding      text COLLATE "C",
    at           bigint NOT NULL,
    unused_since bigint,
    PRIMARY KEY (digest, owner)
);
CREATE INDEX kernel__blobs_waiting ON kernel__blobs (at) WHERE state = 'waiting';

-- What somebody has uploaded, or begun to, and may name in an action until it ends. `parts` are the
-- pieces that are kept, `<bytes>:<name>` with commas between; the digest is there once it is whole.
CREATE TABLE kernel__uploads (
    id      text COLLATE "C" NOT NULL PRIMARY KEY,
    owner   text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    name    text COLLATE "C" NOT NULL,
    size    bigint NOT NULL,
    parts   text COLLATE "C" NOT NULL,
    digest  text COLLATE "C",
    ends_at bigint NOT NULL
);
CREATE INDEX kernel__uploads_digest ON kernel__uploads (digest, owner);
CREATE INDEX kernel__uploads_end ON kernel__uploads (ends_at);
