CREATE TABLE diligence_version (
	id TEXT NOT NULL,
	version BIGINT NOT NULL,
	document TEXT NOT NULL,
	hash {{blob}} NOT NULL,
	author TEXT NOT NULL,
	created BIGINT NOT NULL,
	PRIMARY KEY (id, version)
);
CREATE TABLE diligence_signature (
	id TEXT NOT NULL,
	version BIGINT NOT NULL,
	role TEXT NOT NULL,
	person TEXT NOT NULL,
	assertion {{blob}} NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (id, version, role)
);
CREATE UNIQUE INDEX diligence_signature_person ON diligence_signature (id, version, person);
{{appendonly diligence_version}}
{{appendonly diligence_signature}}
