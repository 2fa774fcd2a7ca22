-- The Merkle tree over the audit records: beside each record the roots of the subtrees it fills,
-- 32 bytes each, lowest first; null where it fills none. The records that exist are planted by the
-- program in the same transaction.
ALTER TABLE kernel__audit ADD COLUMN nodes bytea;

-- Root of that tree and fingerprint of the signing key; null in checkpoints from before.
ALTER TABLE kernel__checkpoints ADD COLUMN root text COLLATE "C";
ALTER TABLE kernel__checkpoints ADD COLUMN signer text COLLATE "C";
