-- Acts that the identity key signed, each counted once; each sender's counter; and how much an account stores.

-- Time (ms) of the last act that was taken from this account.
ALTER TABLE users ADD COLUMN acted_at BIGINT NOT NULL DEFAULT 0;
