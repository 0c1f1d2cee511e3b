-- Web Push.

-- b64u of this server's private key for push services (RFC 8292): 32 bytes.
ALTER TABLE deployment ADD COLUMN push_key TEXT;

-- One for each session whose browser wants to be told. endpoint: a URL of its push service. p256dh, auth: b64u, what
-- the payload is sealed with (RFC 8291). origin: where its page was open, told to the push service.
CREATE TABLE push_subscriptions (
  session_id TEXT PRIMARY KEY REFERENCES sessions (session_id) ON DELETE CASCADE,
  user_id TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  p256dh TEXT NOT NULL,
  auth TEXT NOT NULL,
  origin TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX push_subscriptions_by_user ON push_subscriptions (user_id);
