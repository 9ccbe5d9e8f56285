-- What the desk may write in its own transactions: preservation and grants. It is a prefix of its own, so that the desk's handle
-- reaches these tables and none with records of people.

-- Preservation: what the sweeper and erasure leave.
CREATE TABLE gate_hold (
	id       TEXT PRIMARY KEY,
	case_id  TEXT NOT NULL,
	placed   BIGINT NOT NULL,
	until    BIGINT NOT NULL,
	ended    BIGINT NOT NULL DEFAULT 0, -- 0: in force
	why      TEXT NOT NULL DEFAULT '',  -- expired, released
	swept    BIGINT NOT NULL DEFAULT 0, -- when what only the hold kept was deleted
	scrubbed BIGINT NOT NULL DEFAULT 0  -- when it was gone from the files
);
CREATE INDEX gate_hold_case ON gate_hold (case_id);
CREATE TABLE gate_hold_account (
	hold     TEXT NOT NULL REFERENCES gate_hold (id) ON DELETE CASCADE,
	account  TEXT NOT NULL,
	category TEXT NOT NULL,
	active   INTEGER NOT NULL DEFAULT 1,
	PRIMARY KEY (hold, account, category)
);
CREATE INDEX gate_hold_account_held ON gate_hold_account (account, category, active);

-- Extraction grants. The document is the canonical form that the signatures cover.
CREATE TABLE gate_grant (
	id       TEXT PRIMARY KEY,
	case_id  TEXT NOT NULL,
	document TEXT NOT NULL,
	hash     {{blob}} NOT NULL,
	proposed BIGINT NOT NULL,
	closed   BIGINT NOT NULL DEFAULT 0,
	why      TEXT NOT NULL DEFAULT ''
);
CREATE INDEX gate_grant_case ON gate_grant (case_id);
CREATE INDEX gate_grant_proposed ON gate_grant (proposed);
CREATE TABLE gate_signature (
	grant_id  TEXT NOT NULL REFERENCES gate_grant (id) ON DELETE CASCADE,
	role      TEXT NOT NULL,
	person    TEXT NOT NULL,
	assertion {{blob}} NOT NULL,
	signed    BIGINT NOT NULL,
	PRIMARY KEY (grant_id, role)
);
-- Every extraction that began, whether it ended or not.
CREATE TABLE gate_extraction (
	id       {{serial}},
	grant_id TEXT NOT NULL,
	case_id  TEXT NOT NULL,
	began    BIGINT NOT NULL,
	ended    BIGINT NOT NULL DEFAULT 0,
	records  BIGINT NOT NULL DEFAULT 0,
	failed   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX gate_extraction_grant ON gate_extraction (grant_id);
CREATE INDEX gate_extraction_began ON gate_extraction (began);
