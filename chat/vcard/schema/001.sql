CREATE TABLE vcard_card (
	account TEXT PRIMARY KEY,
	card    {{blob}} NOT NULL,
	updated BIGINT NOT NULL
);
