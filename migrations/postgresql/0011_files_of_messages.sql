-- As the triggers of the same number for SQLite: a message that loses its last copy loses its file.
CREATE FUNCTION drop_files_of_emptied() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  UPDATE files SET is_gone = 1 WHERE conversation_id = NEW.conversation_id AND seq = NEW.seq;
  RETURN NULL;
END $$;
CREATE TRIGGER files_of_emptied_messages AFTER UPDATE OF sealed_a, sealed_b ON messages FOR EACH ROW
  WHEN (NEW.sealed_a IS NULL AND NEW.sealed_b IS NULL) EXECUTE FUNCTION drop_files_of_emptied();

CREATE FUNCTION drop_files_of_deleted() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  UPDATE files SET is_gone = 1 WHERE conversation_id = OLD.conversation_id AND seq = OLD.seq;
  RETURN NULL;
END $$;
CREATE TRIGGER files_of_deleted_messages AFTER DELETE ON messages FOR EACH ROW
  EXECUTE FUNCTION drop_files_of_deleted();
