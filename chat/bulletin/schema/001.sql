-- Messages that were sent from the server's own address, so that none is sent twice. Times are microseconds UTC.
CREATE TABLE bulletin_sent (
	id      TEXT NOT NULL,
	account TEXT NOT NULL,
	at      BIGINT NOT NULL,
	PRIMARY KEY (id, account)
);
CREATE INDEX bulletin_sent_at ON bulletin_sent (at);
CREATE INDEX bulletin_sent_account ON bulletin_sent (account);
