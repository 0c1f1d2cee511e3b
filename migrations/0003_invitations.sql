-- Invitations: each makes one account, once. Only the token's SHA-256 is stored, and the row goes when it is used.

CREATE TABLE invitations (
  token_hash TEXT NOT NULL PRIMARY KEY,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
