CREATE TABLE registry_agency (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	jurisdiction TEXT NOT NULL,
	domains TEXT NOT NULL,
	numbers TEXT NOT NULL,
	recipient TEXT NOT NULL,
	suspended BIGINT NOT NULL,
	reason TEXT NOT NULL,
	created BIGINT NOT NULL
);
CREATE TABLE registry_person (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	mail TEXT NOT NULL,
	roles TEXT NOT NULL,
	agency TEXT NOT NULL,
	badge TEXT NOT NULL,
	suspended BIGINT NOT NULL,
	reason TEXT NOT NULL,
	created BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	verified BIGINT NOT NULL
);
CREATE INDEX registry_person_agency ON registry_person (agency);
CREATE TABLE registry_callback (
	id TEXT PRIMARY KEY,
	agency TEXT NOT NULL,
	officer TEXT NOT NULL,
	case_id TEXT NOT NULL,
	number TEXT NOT NULL,
	caller TEXT NOT NULL,
	spoke_to TEXT NOT NULL,
	result TEXT NOT NULL,
	at BIGINT NOT NULL
);
CREATE INDEX registry_callback_officer ON registry_callback (officer, at);
CREATE TABLE registry_proposal (
	id TEXT PRIMARY KEY,
	person TEXT NOT NULL,
	roles TEXT NOT NULL,
	proposer TEXT NOT NULL,
	at BIGINT NOT NULL,
	confirmer TEXT NOT NULL,
	confirmed BIGINT NOT NULL
);
CREATE TABLE registry_history (
	seq {{serial}},
	at BIGINT NOT NULL,
	who TEXT NOT NULL,
	what TEXT NOT NULL,
	subject TEXT NOT NULL,
	detail TEXT NOT NULL
);
{{appendonly registry_callback}}
{{appendonly registry_history}}
