-- Deleted accounts with messages left to erase. Large accounts are erased in slices, by conversation_id and seq; this is
-- the last place that was erased. The row is deleted when nothing is left.

CREATE TABLE erasures (
  user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (user_id) ON DELETE CASCADE,
  conversation_id TEXT NOT NULL DEFAULT '',
  seq BIGINT NOT NULL DEFAULT 0
);
