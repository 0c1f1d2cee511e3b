-- One message that is not a change, stored as ezdms/models/message.py does it. Both participants as they were before it;
-- no row, and nothing done, if it is to be refused or is special: then that file's own queries decide.
-- The caller has locked the conversation and the sender.
CREATE FUNCTION send_message(
  the_conversation TEXT, the_sender TEXT, the_message TEXT, the_n BIGINT, the_hash TEXT, the_suite BIGINT,
  the_sealed_a TEXT, the_sealed_b TEXT, the_key_a TEXT, the_key_b TEXT, the_expires_in BIGINT,
  the_moment BIGINT, the_quota BIGINT, most_ahead BIGINT, most_early BIGINT
) RETURNS TABLE (
  side TEXT, user_id TEXT, username TEXT, key_id TEXT, read_seq BIGINT, last_n BIGINT, accepted INTEGER, blocked INTEGER,
  early INTEGER, early_changes INTEGER, kept_seq BIGINT, muted_until BIGINT, last_seq BIGINT
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  me RECORD;
  other RECORD;
  the_seq BIGINT;
BEGIN
  SELECT p.*, u.username, u.key_id INTO me FROM participants p JOIN users u ON u.user_id = p.user_id
    WHERE p.user_id = the_sender AND p.conversation_id = the_conversation;
  IF NOT FOUND THEN RETURN; END IF;
  SELECT p.*, u.username, u.key_id INTO other FROM participants p JOIN users u ON u.user_id = p.user_id
    WHERE p.conversation_id = the_conversation AND p.side <> me.side;
  IF NOT FOUND OR me.key_id = '' OR other.key_id = '' OR other.blocked = 1
    OR me.key_id <> (CASE me.side WHEN 'a' THEN the_key_a ELSE the_key_b END)
    OR other.key_id <> (CASE me.side WHEN 'a' THEN the_key_b ELSE the_key_a END)
    OR the_n <= me.last_n OR the_n > me.last_n + most_ahead
    OR (other.accepted = 0 AND me.early >= most_early)
    OR EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = the_conversation AND m.message_id = the_message)
  THEN RETURN; END IF;
  UPDATE usage SET message_bytes = message_bytes + LENGTH(the_sealed_a) + LENGTH(the_sealed_b)
    WHERE user_id = the_sender AND (the_quota IS NULL
      OR message_bytes + vault_bytes + LENGTH(the_sealed_a) + LENGTH(the_sealed_b) <= the_quota);
  IF NOT FOUND THEN RETURN; END IF;
  UPDATE conversations SET last_seq = last_seq + 1, last_at = the_moment
    WHERE conversation_id = the_conversation RETURNING conversations.last_seq INTO the_seq;
  INSERT INTO messages (conversation_id, seq, message_id, sender_id, n, hash, suite, sealed_a, sealed_b, created_at)
    VALUES (the_conversation, the_seq, the_message, the_sender, the_n, the_hash, the_suite, the_sealed_a, the_sealed_b,
      the_moment);
  IF the_expires_in > 0 THEN
    INSERT INTO message_facts (conversation_id, seq, expires_in, expires_at)
      VALUES (the_conversation, the_seq, the_expires_in, the_moment + the_expires_in * 1000);
  END IF;
  UPDATE participants SET read_seq = read_seq + 1, last_n = the_n, accepted = 1,
      early = early + CASE other.accepted WHEN 0 THEN 1 ELSE 0 END, kept_seq = NULL
    WHERE user_id = the_sender AND conversation_id = the_conversation;
  IF other.kept_seq IS NOT NULL THEN
    UPDATE participants SET kept_seq = NULL
      WHERE user_id = other.user_id AND conversation_id = the_conversation;
  END IF;
  RETURN QUERY VALUES
    (me.side, me.user_id, me.username, me.key_id, me.read_seq, me.last_n, me.accepted, me.blocked, me.early,
      me.early_changes, me.kept_seq, me.muted_until, the_seq - 1),
    (other.side, other.user_id, other.username, other.key_id, other.read_seq, other.last_n, other.accepted,
      other.blocked, other.early, other.early_changes, other.kept_seq, other.muted_until, the_seq - 1);
END $$;
