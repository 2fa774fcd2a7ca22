-- What people are told: one row, however many people it concerns. `audience` is the module, or its
-- permission that one must hold, `<module>.<permission>`; `user_id` is empty unless it is to one
-- person. Ids sort by time.
CREATE TABLE kernel__notices (
    organisation text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL,
    audience     text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    at           bigint NOT NULL,
    title        text COLLATE "C" NOT NULL,
    title_en     text COLLATE "C" NOT NULL,
    text         text COLLATE "C" NOT NULL,
    text_en      text COLLATE "C" NOT NULL,
    path         text COLLATE "C" NOT NULL,
    PRIMARY KEY (organisation, id),
    UNIQUE (organisation, audience, user_id, key)
);
CREATE INDEX kernel__notices_at ON kernel__notices (at);

-- Who has read which.
CREATE TABLE kernel__notices_read (
    organisation text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    notice       text COLLATE "C" NOT NULL,
    at           bigint NOT NULL,
    PRIMARY KEY (organisation, user_id, notice)
);
CREATE INDEX kernel__notices_read_at ON kernel__notices_read (at);
