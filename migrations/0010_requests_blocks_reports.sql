-- Message requests, blocks, muted conversations, deleted conversations, and reports.

-- One side's own view of its conversation. What was there before counts as accepted by both.
-- accepted: 1 once this participant started, accepted or answered the conversation. blocked: 1 while they block the other.
-- found_by: how the other found them: 'search_pin' or ''. pin_created_at: when that PIN was made (ms).
-- muted_until: no notifications until then (ms).
-- early, early_changes: how many messages, and how many that replace another, this participant sent before the other
-- accepted. Only so many are taken.
-- kept_seq: the last message before those that came while this participant blocked the other; NULL if none did.
-- hidden_seq: this participant deleted the conversation: it is not listed until there is a message after this one.
ALTER TABLE participants ADD COLUMN accepted INTEGER NOT NULL DEFAULT 1;
ALTER TABLE participants ADD COLUMN blocked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE participants ADD COLUMN found_by TEXT NOT NULL DEFAULT '';
ALTER TABLE participants ADD COLUMN pin_created_at BIGINT;
ALTER TABLE participants ADD COLUMN muted_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE participants ADD COLUMN early INTEGER NOT NULL DEFAULT 0;
ALTER TABLE participants ADD COLUMN early_changes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE participants ADD COLUMN kept_seq BIGINT;
ALTER TABLE participants ADD COLUMN hidden_seq BIGINT;

-- Copies to be emptied because their owner deleted the conversation: those after seq, up to last_seq. This is done in
-- slices; the row is deleted at the end.
CREATE TABLE clearings (
  conversation_id TEXT NOT NULL REFERENCES conversations (conversation_id) ON DELETE CASCADE,
  user_id TEXT NOT NULL,
  seq BIGINT NOT NULL DEFAULT 0,
  last_seq BIGINT NOT NULL,
  PRIMARY KEY (conversation_id, user_id)
);

-- What people reported to the operator. It stays although messages are deleted or expire, and accounts are deleted.
-- statement: the key statement of the person who was reported, with their signed name.
CREATE TABLE reports (
  report_id TEXT NOT NULL PRIMARY KEY,
  created_at BIGINT NOT NULL,
  reporter_id TEXT NOT NULL,
  reported_id TEXT NOT NULL,
  statement TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  reason TEXT NOT NULL
);
CREATE INDEX reports_by_reporter ON reports (reporter_id);
CREATE INDEX reports_by_time ON reports (created_at);

-- jws: the signed original, which shows its text. sent_at: when the server stored the message (ms).
CREATE TABLE reported_messages (
  report_id TEXT NOT NULL REFERENCES reports (report_id) ON DELETE CASCADE,
  message_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  sent_at BIGINT NOT NULL,
  jws TEXT NOT NULL,
  PRIMARY KEY (report_id, message_id)
);
