CREATE TABLE roster_version (
	account TEXT PRIMARY KEY,
	ver     BIGINT NOT NULL, -- of the newest change
	removed BIGINT NOT NULL  -- of the newest removal: a client that is older gets the whole roster, so no removed contact is remembered
);

CREATE TABLE roster_item (
	account TEXT NOT NULL,
	contact TEXT NOT NULL,
	state   INTEGER NOT NULL,
	listed  BOOLEAN NOT NULL,  -- false: known only because the contact has asked to subscribe
	ver     BIGINT NOT NULL,
	name    TEXT NOT NULL,
	groups  TEXT NOT NULL,     -- JSON list
	asked   BIGINT NOT NULL,   -- when the contact asked; 0: no request waits
	request {{blob}},          -- the stanza of that request, until it is answered
	PRIMARY KEY (account, contact)
);

CREATE INDEX roster_item_contact ON roster_item (contact, account);
