-- Which records of the trail are about which party's data, to be found by it. The records say so
-- themselves, under their hashes; this only finds them.
CREATE TABLE kernel__audit_parties (
    party text   NOT NULL,
    seq   bigint NOT NULL,
    PRIMARY KEY (party, seq)
);
