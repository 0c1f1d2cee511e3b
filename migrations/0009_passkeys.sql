-- Passkeys: each wraps the Login PIN under its PRF output, which never leaves the browser.

-- credential_id, public_key (COSE): b64u. sign_count: of the last use. wrapped: the Login PIN, encrypted by the browser.
CREATE TABLE passkeys (
  credential_id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  public_key TEXT NOT NULL,
  sign_count BIGINT NOT NULL,
  name TEXT NOT NULL,
  wrapped TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  used_at BIGINT
);
CREATE INDEX passkeys_by_user ON passkeys (user_id);

-- Challenges that a passkey has answered, so that no answer counts twice. The others expire without being stored.
CREATE TABLE answered_challenges (
  challenge_hash TEXT PRIMARY KEY,
  expires_at BIGINT NOT NULL
);
