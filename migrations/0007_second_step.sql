-- Two-step login: a code from an app is asked for after the Login PIN.

-- secret: the TOTP secret, encrypted with the key in `ezdms.key` beside the database. turned_on_at: NULL until a code
-- confirmed it. last_step: the 30 seconds of the last code that was used, so that each works once. failures: the times
-- (ms) of the latest wrong codes, joined by commas. salt: of the hashes of the recovery codes.
CREATE TABLE second_steps (
  user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (user_id) ON DELETE CASCADE,
  secret TEXT NOT NULL,
  turned_on_at BIGINT,
  last_step BIGINT NOT NULL DEFAULT 0,
  failures TEXT NOT NULL DEFAULT '',
  salt TEXT NOT NULL
);

-- Recovery codes that were not used yet: scrypt of each.
CREATE TABLE recovery_codes (
  user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  code_hash TEXT NOT NULL,
  PRIMARY KEY (user_id, code_hash)
);

-- Devices that are not asked for a code until expires_at. token_hash: SHA-256 of the token that the device has.
-- session_id: its latest session, so that ending that from another device also ends the trust.
CREATE TABLE trusted_devices (
  token_hash TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
  session_id TEXT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX trusted_devices_by_user ON trusted_devices (user_id);
