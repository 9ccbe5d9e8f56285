-- Who must be told that an account is gone: written with its erasure, taken by the server that runs.
CREATE TABLE roster_farewell (
	account TEXT NOT NULL,
	contact TEXT NOT NULL,
	state   INTEGER NOT NULL, -- of the contact, as the account had it
	listed  BOOLEAN NOT NULL, -- the contact is of this server and had the account in its list
	at      BIGINT NOT NULL,
	PRIMARY KEY (account, contact)
);
