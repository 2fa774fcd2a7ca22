-- The keys, by their numbers in the key ring, that digests of encrypted values were made with since
-- the first; the last is in force. Kept here, so that a writer's key and its write are one
-- transaction, whatever its process has heard of.
CREATE TABLE kernel__blind (
    key bigint NOT NULL PRIMARY KEY
);
