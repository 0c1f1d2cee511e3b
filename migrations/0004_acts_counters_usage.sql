-- Replay protection for signed acts, each sender's message counter, and how much each account stores.

-- Time (ms) of the last act accepted from this account.
ALTER TABLE users ADD COLUMN acted_at BIGINT NOT NULL DEFAULT 0;

-- The counter n of this participant's last message. The next one must be higher.
ALTER TABLE participants ADD COLUMN last_n BIGINT NOT NULL DEFAULT 0;
UPDATE participants SET last_n = COALESCE(
  (SELECT MAX(m.n) FROM messages m
   WHERE m.conversation_id = participants.conversation_id AND m.sender_id = participants.user_id), 0);

-- Bytes that count toward an account's quota: both copies of the messages it sent, until they are emptied, and the
-- padded vault (computed from the sealed length, minus header, key, iv and tag, and minus two layers of base64url).
CREATE TABLE usage (
  user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (user_id) ON DELETE CASCADE,
  message_bytes BIGINT NOT NULL DEFAULT 0,
  vault_bytes BIGINT NOT NULL DEFAULT 0
);
INSERT INTO usage (user_id, message_bytes, vault_bytes)
  SELECT u.user_id, COALESCE(m.size, 0), COALESCE((LENGTH(v.sealed) - 520) * 9 / 16 / 4096 * 4096, 0)
  FROM users u
  LEFT JOIN (SELECT sender_id, SUM(COALESCE(LENGTH(sealed_a), 0) + COALESCE(LENGTH(sealed_b), 0)) AS size
             FROM messages GROUP BY sender_id) m ON m.sender_id = u.user_id AND u.left_at IS NULL
  LEFT JOIN vaults v ON v.user_id = u.user_id;
