-- The key in the data folder (ezdms.key), of which every process must have the same: a hash of it.
CREATE TABLE shared_key (mark TEXT NOT NULL);
CREATE UNIQUE INDEX one_shared_key ON shared_key ((TRUE));
-- Sessions that ended lately, by SHA-256 of their id. Every process looks here, also while there is no bus, and closes
-- their sockets.
CREATE TABLE ended_sessions (session_hash TEXT NOT NULL, ended_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp());
CREATE INDEX ended_sessions_by_time ON ended_sessions (ended_at);
CREATE FUNCTION note_ended_session() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ended_sessions (session_hash) VALUES (encode(sha256(convert_to(OLD.session_id, 'UTF8')), 'hex'));
  RETURN NULL;
END $$;
CREATE TRIGGER sessions_end AFTER DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION note_ended_session();
