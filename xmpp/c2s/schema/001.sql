-- Sessions between two processes (XEP-0198 §5): written when the server stops, taken out when it starts. Times are microseconds UTC.
CREATE TABLE c2s_session (
	token   {{blob}} PRIMARY KEY, -- SHA-256 of the token by which it is resumed
	account TEXT NOT NULL,
	state   TEXT NOT NULL,        -- what the server knows of it, JSON
	forgot  BIGINT NOT NULL       -- when the row goes although no server has started
);
CREATE INDEX c2s_session_account ON c2s_session (account);
CREATE INDEX c2s_session_forgot ON c2s_session (forgot);

CREATE TABLE c2s_waiting (
	token   {{blob}} NOT NULL,
	place   BIGINT NOT NULL,
	account TEXT NOT NULL,
	sender  TEXT NOT NULL,
	at      BIGINT NOT NULL,
	stanza  {{blob}} NOT NULL,
	forgot  BIGINT NOT NULL,
	PRIMARY KEY (token, place)
);
CREATE INDEX c2s_waiting_account ON c2s_waiting (account);
CREATE INDEX c2s_waiting_sender ON c2s_waiting (sender);
CREATE INDEX c2s_waiting_forgot ON c2s_waiting (forgot);
