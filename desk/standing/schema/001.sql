-- A record's document never changes; what happens to it (in force, ended, discarded) stands beside it.
CREATE TABLE standing_record (
	id TEXT PRIMARY KEY,
	document TEXT NOT NULL,
	hash {{blob}} NOT NULL,
	drafted_by TEXT NOT NULL,
	created BIGINT NOT NULL
);
CREATE TABLE standing_state (
	record TEXT PRIMARY KEY,
	replaces TEXT NOT NULL,
	stage TEXT NOT NULL,
	starts BIGINT NOT NULL,
	review BIGINT NOT NULL,
	in_force BIGINT NOT NULL,
	ended BIGINT NOT NULL,
	discarded BIGINT NOT NULL,
	alarmed BIGINT NOT NULL
);
CREATE TABLE standing_signature (
	record TEXT NOT NULL,
	role TEXT NOT NULL,
	person TEXT NOT NULL,
	assertion {{blob}} NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (record, role)
);
CREATE UNIQUE INDEX standing_signature_person ON standing_signature (record, person);
CREATE TABLE standing_admission (
	case_id TEXT NOT NULL,
	record TEXT NOT NULL,
	exception TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (case_id, record)
);
{{appendonly standing_record}}
{{appendonly standing_signature}}
{{appendonly standing_admission}}
