-- The kernel's own tables. Times are microseconds since 1970, UTC. Text columns hold JSON where
-- they are called document, data, reply, detail, before or after.

CREATE TABLE kernel__schema (
    module     text COLLATE "C" NOT NULL PRIMARY KEY,
    document   text COLLATE "C" NOT NULL,
    digest     text COLLATE "C" NOT NULL,
    applied_at bigint NOT NULL
);

CREATE TABLE kernel__outbox (
    seq       bigint NOT NULL PRIMARY KEY,
    id        text COLLATE "C" NOT NULL UNIQUE,
    name      text COLLATE "C" NOT NULL,
    aggregate text COLLATE "C" NOT NULL,
    at        bigint NOT NULL,
    data      text COLLATE "C" NOT NULL,
    done_at   bigint,
    attempts  bigint NOT NULL DEFAULT 0,
    next_at   bigint NOT NULL,
    dead      bigint NOT NULL DEFAULT 0
);
CREATE INDEX kernel__outbox_due ON kernel__outbox (next_at, seq) WHERE done_at IS NULL AND dead = 0;
CREATE INDEX kernel__outbox_order ON kernel__outbox (aggregate, seq) WHERE done_at IS NULL AND dead = 0;
CREATE INDEX kernel__outbox_dead ON kernel__outbox (seq) WHERE dead = 1;

CREATE TABLE kernel__idempotency (
    user_id text COLLATE "C" NOT NULL,
    key     text COLLATE "C" NOT NULL,
    digest  text COLLATE "C" NOT NULL,
    reply   text COLLATE "C" NOT NULL,
    at      bigint NOT NULL,
    PRIMARY KEY (user_id, key)
);

CREATE TABLE kernel__steps (
    collection text COLLATE "C" NOT NULL,
    record     text COLLATE "C" NOT NULL,
    number     bigint NOT NULL,
    action     text COLLATE "C" NOT NULL,
    from_state text COLLATE "C",
    to_state   text COLLATE "C" NOT NULL,
    at         bigint NOT NULL,
    by_user    text COLLATE "C" NOT NULL,
    by_name    text COLLATE "C" NOT NULL,
    organisation text COLLATE "C",
    note       text COLLATE "C",
    PRIMARY KEY (collection, record, number)
);

CREATE TABLE kernel__changes (
    collection text COLLATE "C" NOT NULL,
    record     text COLLATE "C" NOT NULL,
    revision   bigint NOT NULL,
    at         bigint NOT NULL,
    by_user    text COLLATE "C" NOT NULL,
    before     text COLLATE "C",
    after      text COLLATE "C" NOT NULL,
    PRIMARY KEY (collection, record, revision)
);

CREATE TABLE kernel__audit (
    seq          bigint NOT NULL PRIMARY KEY,
    at           bigint NOT NULL,
    actor        text COLLATE "C" NOT NULL,
    organisation text COLLATE "C",
    subject      text COLLATE "C",
    action       text COLLATE "C" NOT NULL,
    object       text COLLATE "C" NOT NULL,
    outcome      text COLLATE "C" NOT NULL,
    detail       text COLLATE "C" NOT NULL,
    request      text COLLATE "C" NOT NULL,
    prev         text COLLATE "C" NOT NULL,
    hash         text COLLATE "C" NOT NULL
);
CREATE INDEX kernel__audit_actor ON kernel__audit (actor, seq);
CREATE INDEX kernel__audit_object ON kernel__audit (object, seq);
CREATE INDEX kernel__audit_action ON kernel__audit (action, seq);
CREATE INDEX kernel__audit_at ON kernel__audit (at, seq);

-- Signed statements of where the audit chain stood. Export them: kept only here they can be cut
-- off together with the chain.
CREATE TABLE kernel__checkpoints (
    seq       bigint NOT NULL PRIMARY KEY,
    hash      text COLLATE "C" NOT NULL,
    at        bigint NOT NULL,
    signature text COLLATE "C" NOT NULL
);
