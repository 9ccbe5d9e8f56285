-- Metadata about people. No column of these tables can hold what anyone said.
CREATE TABLE records_signin (
	id        {{serial}},
	account   TEXT NOT NULL, -- bare JID
	at        BIGINT NOT NULL,
	ip        TEXT NOT NULL,
	port      INTEGER NOT NULL,
	client    TEXT NOT NULL, -- as told
	device    TEXT NOT NULL, -- as told
	tls       TEXT NOT NULL,
	cipher    TEXT NOT NULL,
	mechanism TEXT NOT NULL
);
CREATE INDEX records_signin_account ON records_signin (account, at, id);
CREATE INDEX records_signin_at ON records_signin (at);

CREATE TABLE records_seen (
	account TEXT PRIMARY KEY,
	at      BIGINT NOT NULL
);

-- One row a call: the parties are a < b, so that both directions meet the same row.
CREATE TABLE records_call (
	id        {{serial}},
	a         TEXT NOT NULL,
	b         TEXT NOT NULL,
	call      TEXT NOT NULL, -- the apps' id of the call
	caller    TEXT NOT NULL,
	kind      TEXT NOT NULL, -- audio, video
	started   BIGINT NOT NULL,
	proceeded BIGINT NOT NULL DEFAULT 0, -- 0: did not happen
	answered  BIGINT NOT NULL DEFAULT 0,
	ended     BIGINT NOT NULL DEFAULT 0,
	outcome   TEXT NOT NULL DEFAULT '' -- '': open
);
CREATE UNIQUE INDEX records_call_key ON records_call (a, b, call);
CREATE INDEX records_call_a ON records_call (a, started, id);
CREATE INDEX records_call_b ON records_call (b, started, id);
CREATE INDEX records_call_started ON records_call (started);
CREATE INDEX records_call_open ON records_call (started) WHERE outcome = '';

-- An account that was erased while a hold kept a part of it.
CREATE TABLE records_erased (
	account TEXT PRIMARY KEY,
	at      BIGINT NOT NULL
);

-- The versions of the record schedule that this house has had, and the pace of deletion.
CREATE TABLE records_schedule (
	version TEXT PRIMARY KEY,
	first   BIGINT NOT NULL,
	body    TEXT NOT NULL
);
CREATE TABLE records_pace (
	name TEXT PRIMARY KEY,
	at   BIGINT NOT NULL
);
