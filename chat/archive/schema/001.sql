-- One row per message, shared by the archives of its two parties. id is the place in the order of commits.
CREATE TABLE archive_stanza (
	id        {{serial}},
	at        BIGINT NOT NULL,   -- never less than that of the row before
	sender    TEXT NOT NULL,     -- bare JIDs; the full ones stand in the stanza
	recipient TEXT NOT NULL,
	kind      TEXT NOT NULL,
	size      INTEGER NOT NULL,  -- bytes of the stanza's content
	stanza    {{blob}} NOT NULL
);

CREATE INDEX archive_stanza_at ON archive_stanza (at);

-- One row per archive that holds the message. bucket is id >> 14: it keeps what is written now together, so that an insert touches
-- few pages however large the archive is.
CREATE TABLE archive_entry (
	bucket  BIGINT NOT NULL,
	account TEXT NOT NULL,
	id      BIGINT NOT NULL,
	peer    TEXT NOT NULL,
	PRIMARY KEY (bucket, account, id)
) {{norowid}};

CREATE INDEX archive_entry_peer ON archive_entry (bucket, peer, account, id);

-- In which buckets an account has entries.
CREATE TABLE archive_span (
	account TEXT NOT NULL,
	bucket  BIGINT NOT NULL,
	PRIMARY KEY (account, bucket)
) {{norowid}};

CREATE INDEX archive_span_bucket ON archive_span (bucket);

CREATE TABLE archive_prefs (
	account TEXT PRIMARY KEY,
	mode    TEXT NOT NULL, -- always, never, roster
	always  TEXT NOT NULL, -- JSON lists of addresses
	never   TEXT NOT NULL
);

CREATE TABLE archive_key (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	key {{blob}} NOT NULL
);
