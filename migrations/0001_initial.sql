-- Accounts, sessions, Search PINs, conversations and sealed messages.
-- Times are integer milliseconds since 1970 (UTC). Binary values are base64url without padding, as in the protocol.

CREATE TABLE deployment (
  deployment_id TEXT NOT NULL PRIMARY KEY,
  created_at BIGINT NOT NULL
);

CREATE TABLE users (
  user_id TEXT NOT NULL PRIMARY KEY,
  username TEXT NOT NULL,
  login_id TEXT NOT NULL UNIQUE,
  auth_hash TEXT NOT NULL,
  salt TEXT NOT NULL,
  iterations INTEGER NOT NULL,
  wrapped_sig TEXT NOT NULL,
  wrapped_enc TEXT NOT NULL,
  statement TEXT NOT NULL,
  fingerprint TEXT NOT NULL UNIQUE,
  key_id TEXT NOT NULL,
  created_at BIGINT NOT NULL
);

CREATE TABLE sessions (
  session_id TEXT NOT NULL PRIMARY KEY,
  token_hash TEXT NOT NULL UNIQUE,
  user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE search_pins (
  search_pin TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  salt TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX search_pins_by_user ON search_pins (user_id);

CREATE TABLE conversations (
  conversation_id TEXT NOT NULL PRIMARY KEY,
  created_at BIGINT NOT NULL,
  last_seq BIGINT NOT NULL DEFAULT 0,
  last_at BIGINT NOT NULL
);

-- side: 'a' has the lower fingerprint. read_seq: the highest seq this participant has seen.
CREATE TABLE participants (
  conversation_id TEXT NOT NULL REFERENCES conversations (conversation_id) ON DELETE CASCADE,
  side TEXT NOT NULL CHECK (side IN ('a', 'b')),
  user_id TEXT NOT NULL REFERENCES users (user_id),
  read_seq BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (conversation_id, side)
);
CREATE UNIQUE INDEX participants_by_user ON participants (user_id, conversation_id);

-- sealed_a and sealed_b: the same message sealed for each participant; NULL once deleted or expired.
CREATE TABLE messages (
  conversation_id TEXT NOT NULL REFERENCES conversations (conversation_id) ON DELETE CASCADE,
  seq BIGINT NOT NULL,
  message_id TEXT NOT NULL,
  sender_id TEXT NOT NULL,
  n BIGINT NOT NULL,
  hash TEXT NOT NULL,
  suite INTEGER NOT NULL,
  sealed_a TEXT,
  sealed_b TEXT,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (conversation_id, seq),
  UNIQUE (conversation_id, message_id),
  UNIQUE (conversation_id, sender_id, n)
);
