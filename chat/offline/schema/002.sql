-- A spare copy that another session of the account was given: only its place is kept, without the message, so that the session that has it
-- in its queue does not bring it a second time when it ends.
ALTER TABLE offline_message ADD COLUMN given BOOLEAN NOT NULL DEFAULT FALSE;
