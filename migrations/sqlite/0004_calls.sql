-- Nonces of signed requests, each until its request could not be taken any more anyway.
CREATE TABLE kernel__nonces (
    app     TEXT NOT NULL,
    nonce   TEXT NOT NULL,
    ends_at INTEGER NOT NULL,
    PRIMARY KEY (app, nonce)
);
CREATE INDEX kernel__nonces_end ON kernel__nonces (ends_at);

-- How many calls of its present span an app has made. A span is named by its seconds.
CREATE TABLE kernel__quotas (
    app     TEXT NOT NULL,
    seconds INTEGER NOT NULL,
    began   INTEGER NOT NULL,
    used    INTEGER NOT NULL,
    PRIMARY KEY (app, seconds)
);
