-- Details of sessions for the user to see, the vault that follows users to a new browser, and account deletion.

ALTER TABLE sessions ADD COLUMN browser TEXT NOT NULL DEFAULT 'Unknown browser';
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;

-- Set once the account is deleted. The name, keys and everything else in the row are blank; partners keep their copies.
ALTER TABLE users ADD COLUMN left_at BIGINT;

CREATE TABLE vaults (
  user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (user_id) ON DELETE CASCADE,
  version BIGINT NOT NULL,
  sealed TEXT NOT NULL
);
