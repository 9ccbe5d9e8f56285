-- What a preservation has copied: states that a person may change while it lasts, such as a contact list. One row for each hold,
-- account and datum.
CREATE TABLE records_kept (
	hold    TEXT NOT NULL,
	account TEXT NOT NULL,
	datum   TEXT NOT NULL,
	at      BIGINT NOT NULL,
	body    TEXT NOT NULL, -- JSON: the fields, and the rows
	PRIMARY KEY (hold, account, datum)
);
CREATE INDEX records_kept_account ON records_kept (account, datum);
