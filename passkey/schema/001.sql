-- Times are microseconds UTC; 0 means never.
CREATE TABLE passkey_credential (
	id         {{blob}} PRIMARY KEY,
	person     TEXT NOT NULL,
	label      TEXT NOT NULL,
	record     {{blob}} NOT NULL, -- the WebAuthn credential record, as JSON
	sign_count BIGINT NOT NULL,
	created    BIGINT NOT NULL,
	used       BIGINT NOT NULL DEFAULT 0,
	removed    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX passkey_credential_person ON passkey_credential (person);

CREATE TABLE passkey_enrolment (
	token   {{blob}} PRIMARY KEY, -- SHA-256 of the token
	person  TEXT NOT NULL,
	name    TEXT NOT NULL,
	expires BIGINT NOT NULL
);
