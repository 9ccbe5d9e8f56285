-- When the house began to count: the period of this moment is the first that is reported.
CREATE TABLE report_start (
	id   INTEGER PRIMARY KEY,
	at   BIGINT NOT NULL
);
{{appendonly report_start}}

-- One row for each version of a period's report, made when its facts are fixed. bands is the JSON of the bands, never changed by a later version.
CREATE TABLE report_closings (
	period  TEXT NOT NULL,
	version BIGINT NOT NULL,
	cutoff  BIGINT NOT NULL,
	closed  BIGINT NOT NULL,
	reason  TEXT NOT NULL,
	bands   TEXT NOT NULL,
	PRIMARY KEY (period, version)
);
{{appendonly report_closings}}

-- The facts. A closed one (opened = 0) is only its leaf: its text can be made again from the case while its key lives.
CREATE TABLE report_facts (
	leaf    {{blob}} PRIMARY KEY,
	period  TEXT NOT NULL, -- of the report that counts it
	version BIGINT NOT NULL,
	case_id TEXT NOT NULL,
	opened  INTEGER NOT NULL,
	text    TEXT NOT NULL,
	salt    {{blob}} NOT NULL
);
CREATE INDEX report_facts_period ON report_facts (period, case_id, version);
{{appendonly report_facts}}

-- What was published, byte for byte.
CREATE TABLE report_published (
	period    TEXT NOT NULL,
	version   BIGINT NOT NULL,
	at        BIGINT NOT NULL,
	json      TEXT NOT NULL,
	csv       TEXT NOT NULL,
	signature TEXT NOT NULL,
	PRIMARY KEY (period, version)
);
{{appendonly report_published}}
