-- Times are microseconds UTC.
CREATE TABLE session_session (
	token   TEXT PRIMARY KEY, -- SHA-256 of the cookie's value
	data    {{blob}} NOT NULL,
	expires BIGINT NOT NULL
);
CREATE INDEX session_session_expires ON session_session (expires);

CREATE TABLE session_token (
	token   {{blob}} PRIMARY KEY, -- SHA-256 of the token
	person  TEXT NOT NULL,
	made    BIGINT NOT NULL,
	expires BIGINT NOT NULL
);
CREATE INDEX session_token_expires ON session_token (expires);
