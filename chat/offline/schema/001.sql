CREATE TABLE offline_message (
	id       {{serial}},
	account  TEXT NOT NULL,
	position BIGINT NOT NULL,  -- in the account's archive, which also names the message; 0 if it is not archived
	at       BIGINT NOT NULL,
	sender   TEXT NOT NULL,
	kind     TEXT NOT NULL,
	size     INTEGER NOT NULL,
	spare    BOOLEAN NOT NULL, -- a hibernating session has it in its queue: kept in case the server stops before that session returns
	stanza   {{blob}} NOT NULL
);

CREATE INDEX offline_message_account ON offline_message (account, id);
CREATE UNIQUE INDEX offline_message_position ON offline_message (account, position) WHERE position > 0;
CREATE INDEX offline_message_at ON offline_message (at);
CREATE INDEX offline_message_sender ON offline_message (sender);
