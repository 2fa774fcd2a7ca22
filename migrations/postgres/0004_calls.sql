-- Nonces of signed requests, each until its request could not be taken any more anyway.
CREATE TABLE kernel__nonces (
    app     text COLLATE "C" NOT NULL,
    nonce   text COLLATE "C" NOT NULL,
    ends_at bigint NOT NULL,
    PRIMARY KEY (app, nonce)
);
CREATE INDEX kernel__nonces_end ON kernel__nonces (ends_at);

-- How many calls of its present span an app has made. A span is named by its seconds.
CREATE TABLE kernel__quotas (
    app     text COLLATE "C" NOT NULL,
    seconds bigint NOT NULL,
    began   bigint NOT NULL,
    used    bigint NOT NULL,
    PRIMARY KEY (app, seconds)
);
