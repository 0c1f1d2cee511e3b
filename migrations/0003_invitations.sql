-- Invitations: each creates one account. Only the token's SHA-256 is stored, and the row is deleted on use.

CREATE TABLE invitations (
  token_hash TEXT NOT NULL PRIMARY KEY,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
