-- Times are microseconds UTC; 0 means never. Accounts are bare JIDs in their enforced form.
CREATE TABLE account_user (
	account    TEXT PRIMARY KEY,
	name       TEXT NOT NULL,
	created    BIGINT NOT NULL,
	invited_by TEXT NOT NULL,
	disabled   BIGINT NOT NULL DEFAULT 0,
	deleted    BIGINT NOT NULL DEFAULT 0 -- closed by its owner, and held back from erasure by a preservation
);
CREATE INDEX account_user_inviter ON account_user (invited_by);

CREATE TABLE account_credential (
	account    TEXT NOT NULL,
	hash       TEXT NOT NULL,
	salt       {{blob}} NOT NULL,
	iterations BIGINT NOT NULL,
	stored_key {{blob}} NOT NULL,
	server_key {{blob}} NOT NULL,
	PRIMARY KEY (account, hash)
);

CREATE TABLE account_device (
	account    TEXT NOT NULL,
	id         TEXT NOT NULL,
	software   TEXT NOT NULL,
	model      TEXT NOT NULL,
	first_seen BIGINT NOT NULL,
	last_seen  BIGINT NOT NULL,
	PRIMARY KEY (account, id)
);

CREATE TABLE account_invite (
	id         {{serial}},
	token      {{blob}} NOT NULL UNIQUE, -- SHA-256 of the token
	invited_by TEXT NOT NULL,
	note       TEXT NOT NULL,
	created    BIGINT NOT NULL,
	expires    BIGINT NOT NULL,
	uses       BIGINT NOT NULL,
	revoked    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX account_invite_by ON account_invite (invited_by);
CREATE INDEX account_invite_expires ON account_invite (expires);

CREATE TABLE account_secret (
	name  TEXT PRIMARY KEY,
	value {{blob}} NOT NULL
);

-- Accounts whose sessions the serving process must end, because another process changed them.
CREATE TABLE account_ended (
	id      {{serial}},
	account TEXT NOT NULL,
	at      BIGINT NOT NULL
);
