CREATE TABLE vcard_photo (
	account TEXT PRIMARY KEY,
	hash    TEXT NOT NULL,
	kind    TEXT NOT NULL,
	updated BIGINT NOT NULL
);
