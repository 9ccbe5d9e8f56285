CREATE TABLE s2s_message (
	id      {{serial}},
	account TEXT NOT NULL,     -- the bare address that sent it
	peer    TEXT NOT NULL,     -- the bare address that it is for
	at      BIGINT NOT NULL,
	until   BIGINT NOT NULL,   -- it is gone by then, whatever happens
	size    INTEGER NOT NULL,
	kind    TEXT NOT NULL,
	fault   TEXT NOT NULL,     -- '' while it waits for the other server; else the condition with which it waits for its sender
	stanza  {{blob}} NOT NULL
);

CREATE INDEX s2s_message_account ON s2s_message (account, id);
CREATE INDEX s2s_message_until ON s2s_message (until);
