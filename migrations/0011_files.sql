-- Files: sealed in the folder "files" next to the database. What they hold, and what they are called, is in messages.

-- name: random, where the file is in that folder. size: declared bytes, which count at once toward the quota of user_id,
-- who uploads it. is_whole: 1 once all of it is durable. seq: the message that it belongs to; NULL until that is sent.
-- is_gone: 1 once nobody may have it any more; then it is deleted from the disk, and after that from here.
CREATE TABLE files (
  file_id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  conversation_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  size BIGINT NOT NULL,
  is_whole INTEGER NOT NULL DEFAULT 0,
  seq BIGINT,
  is_gone INTEGER NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL
);
CREATE INDEX files_by_message ON files (conversation_id, seq);
CREATE INDEX files_by_user ON files (user_id);
CREATE INDEX files_unsent ON files (created_at) WHERE seq IS NULL;
CREATE INDEX files_gone ON files (is_gone) WHERE is_gone = 1;

ALTER TABLE usage ADD COLUMN file_bytes BIGINT NOT NULL DEFAULT 0;

-- A message loses its last copy in many ways (edits, time, marks, retention, deleted conversations and accounts). In all
-- of them its file goes, too, in the same transaction.
CREATE TRIGGER files_of_emptied_messages AFTER UPDATE OF sealed_a, sealed_b ON messages
WHEN NEW.sealed_a IS NULL AND NEW.sealed_b IS NULL
BEGIN
  UPDATE files SET is_gone = 1 WHERE conversation_id = NEW.conversation_id AND seq = NEW.seq;
END;

CREATE TRIGGER files_of_deleted_messages AFTER DELETE ON messages
BEGIN
  UPDATE files SET is_gone = 1 WHERE conversation_id = OLD.conversation_id AND seq = OLD.seq;
END;
