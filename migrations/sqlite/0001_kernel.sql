-- The kernel's own tables. Times are microseconds since 1970, UTC. Text columns hold JSON where
-- they are called document, data, reply, detail, before or after.

CREATE TABLE kernel__schema (
    module     TEXT NOT NULL PRIMARY KEY,
    document   TEXT NOT NULL,
    digest     TEXT NOT NULL,
    applied_at INTEGER NOT NULL
);

CREATE TABLE kernel__outbox (
    seq       INTEGER NOT NULL PRIMARY KEY,
    id        TEXT NOT NULL UNIQUE,
    name      TEXT NOT NULL,
    aggregate TEXT NOT NULL,
    at        INTEGER NOT NULL,
    data      TEXT NOT NULL,
    done_at   INTEGER,
    attempts  INTEGER NOT NULL DEFAULT 0,
    next_at   INTEGER NOT NULL,
    dead      INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX kernel__outbox_due ON kernel__outbox (next_at, seq) WHERE done_at IS NULL AND dead = 0;
CREATE INDEX kernel__outbox_order ON kernel__outbox (aggregate, seq) WHERE done_at IS NULL AND dead = 0;
CREATE INDEX kernel__outbox_dead ON kernel__outbox (seq) WHERE dead = 1;

CREATE TABLE kernel__idempotency (
    user_id TEXT NOT NULL,
    key     TEXT NOT NULL,
    digest  TEXT NOT NULL,
    reply   TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
);

CREATE TABLE kernel__steps (
    collection TEXT NOT NULL,
    record     TEXT NOT NULL,
    number     INTEGER NOT NULL,
    action     TEXT NOT NULL,
    from_state TEXT,
    to_state   TEXT NOT NULL,
    at         INTEGER NOT NULL,
    by_user    TEXT NOT NULL,
    by_name    TEXT NOT NULL,
    organisation TEXT,
    note       TEXT,
    PRIMARY KEY (collection, record, number)
);

CREATE TABLE kernel__changes (
    collection TEXT NOT NULL,
    record     TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    by_user    TEXT NOT NULL,
    before     TEXT,
    after      TEXT NOT NULL,
    PRIMARY KEY (collection, record, revision)
);

CREATE TABLE kernel__audit (
    seq          INTEGER NOT NULL PRIMARY KEY,
    at           INTEGER NOT NULL,
    actor        TEXT NOT NULL,
    organisation TEXT,
    subject      TEXT,
    action       TEXT NOT NULL,
    object       TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    detail       TEXT NOT NULL,
    request      TEXT NOT NULL,
    prev         TEXT NOT NULL,
    hash         TEXT NOT NULL
);
CREATE INDEX kernel__audit_actor ON kernel__audit (actor, seq);
CREATE INDEX kernel__audit_object ON kernel__audit (object, seq);
CREATE INDEX kernel__audit_action ON kernel__audit (action, seq);
CREATE INDEX kernel__audit_at ON kernel__audit (at, seq);

-- Signed statements of where the audit chain stood. Export them: kept only here they can be cut
-- off together with the chain.
CREATE TABLE kernel__checkpoints (
    seq       INTEGER NOT NULL PRIMARY KEY,
    hash      TEXT NOT NULL,
    at        INTEGER NOT NULL,
    signature TEXT NOT NULL
);
