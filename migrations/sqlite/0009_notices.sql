-- What people are told: one row, however many people it concerns. `audience` is the module, or its
-- permission that one must hold, `<module>.<permission>`; `user_id` is empty unless it is to one
-- person. Ids sort by time.
CREATE TABLE kernel__notices (
    organisation TEXT NOT NULL,
    id           TEXT NOT NULL,
    audience     TEXT NOT NULL,
    user_id      TEXT NOT NULL,
    key          TEXT NOT NULL,
    at           INTEGER NOT NULL,
    title        TEXT NOT NULL,
    title_en     TEXT NOT NULL,
    text         TEXT NOT NULL,
    text_en      TEXT NOT NULL,
    path         TEXT NOT NULL,
    PRIMARY KEY (organisation, id),
    UNIQUE (organisation, audience, user_id, key)
);
CREATE INDEX kernel__notices_at ON kernel__notices (at);

-- Who has read which.
CREATE TABLE kernel__notices_read (
    organisation TEXT NOT NULL,
    user_id      TEXT NOT NULL,
    notice       TEXT NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (organisation, user_id, notice)
);
CREATE INDEX kernel__notices_read_at ON kernel__notices_read (at);
