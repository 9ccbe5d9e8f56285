CREATE TABLE private_data (
	account TEXT NOT NULL,
	space   TEXT NOT NULL,
	name    TEXT NOT NULL,
	data    {{blob}} NOT NULL,
	updated BIGINT NOT NULL,
	PRIMARY KEY (account, space, name)
);
