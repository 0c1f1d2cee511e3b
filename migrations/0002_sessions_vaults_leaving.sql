-- What a person is shown of their sessions, the vault that follows them to a new browser, and when somebody left.

ALTER TABLE sessions ADD COLUMN browser TEXT NOT NULL DEFAULT 'Unknown browser';
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;

-- Set: this person deleted the account. Name, keys and all else of the row are blank; partners keep their own copies.
ALTER TABLE users ADD COLUMN left_at BIGINT;

CREATE TABLE vaults (
  user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (user_id) ON DELETE CASCADE,
  version BIGINT NOT NULL,
  sealed TEXT NOT NULL
);
