-- Edits, deletions, disappearing messages, marks, retention, and signals.

-- What few messages have. Others have no row here, and take no more space than before.
-- expires_in: seconds, 0 = never. expires_at: when both copies are to be emptied (ms); NULL if never, and once they are.
-- replaces: message_id of the message that this one changes. file: id of the file that it refers to.
-- gone_a, gone_b: why the participant's copy is gone: 'replaced', 'expired', 'hidden', 'blocked' or 'retention'.
-- mark_a, mark_b: the participant's signed mark (docs/protocol.md, Marks).
CREATE TABLE message_facts (
  conversation_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  expires_in BIGINT NOT NULL DEFAULT 0,
  expires_at BIGINT,
  replaces TEXT,
  file TEXT,
  gone_a TEXT,
  gone_b TEXT,
  mark_a TEXT,
  mark_b TEXT,
  PRIMARY KEY (conversation_id, seq),
  FOREIGN KEY (conversation_id, seq) REFERENCES messages (conversation_id, seq) ON DELETE CASCADE
);
CREATE INDEX message_facts_by_expiry ON message_facts (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX message_facts_by_target ON message_facts (conversation_id, replaces, seq) WHERE replaces IS NOT NULL;

-- Every message up to this seq was removed by the operator's retention setting.
ALTER TABLE conversations ADD COLUMN removed_seq BIGINT NOT NULL DEFAULT 0;

-- The newest signal of each sender: 'delivered' or 'read', sealed for the other participant. Typing is never stored.
CREATE TABLE signals (
  conversation_id TEXT NOT NULL REFERENCES conversations (conversation_id) ON DELETE CASCADE,
  sender_id TEXT NOT NULL,
  slot TEXT NOT NULL CHECK (slot IN ('delivered', 'read')),
  sealed TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (conversation_id, sender_id, slot)
);
