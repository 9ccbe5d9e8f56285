-- Texts that people are sent when they sign in: the message of the day and the welcome. Times are microseconds UTC.
CREATE TABLE administration_text (
	name TEXT PRIMARY KEY,
	body TEXT NOT NULL,
	at   BIGINT NOT NULL
);

-- Addresses that the whole server keeps out ('black') or, if there are any, alone talks with ('white').
CREATE TABLE administration_list (
	list  TEXT NOT NULL,
	entry TEXT NOT NULL,
	PRIMARY KEY (list, entry)
);
CREATE INDEX administration_list_entry ON administration_list (entry);
