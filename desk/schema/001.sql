-- The file of every case: no personal text here.
CREATE TABLE desk_event (
	case_id TEXT NOT NULL,
	seq BIGINT NOT NULL,
	at BIGINT NOT NULL,
	kind TEXT NOT NULL,
	who TEXT NOT NULL,
	role TEXT NOT NULL,
	state TEXT NOT NULL,
	facts TEXT NOT NULL,
	sealed {{blob}} NOT NULL, -- SHA-256 of the sealed payload, empty: none
	PRIMARY KEY (case_id, seq)
);
CREATE INDEX desk_event_at ON desk_event (at);
{{appendonly desk_event}}
-- What retention erases: the payloads, the documents and the key that opens both.
CREATE TABLE desk_payload (
	case_id TEXT NOT NULL,
	seq BIGINT NOT NULL,
	body {{blob}} NOT NULL,
	PRIMARY KEY (case_id, seq)
);
CREATE TABLE desk_key (
	case_id TEXT PRIMARY KEY,
	wrapped {{blob}} NOT NULL
);
CREATE TABLE desk_document (
	id TEXT PRIMARY KEY,
	case_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	size BIGINT NOT NULL,
	chunks BIGINT NOT NULL,
	mark {{blob}} NOT NULL, -- keyed hash: the same paper in two cases shows
	complete BIGINT NOT NULL,
	created BIGINT NOT NULL
);
CREATE INDEX desk_document_case ON desk_document (case_id);
CREATE INDEX desk_document_mark ON desk_document (mark);
CREATE TABLE desk_chunk (
	document TEXT NOT NULL,
	n BIGINT NOT NULL,
	body {{blob}} NOT NULL,
	PRIMARY KEY (document, n)
);
-- The list of cases: a projection of the events, made anew in each transaction that adds one.
CREATE TABLE desk_case (
	id TEXT PRIMARY KEY,
	seq BIGINT NOT NULL,
	state TEXT NOT NULL,
	open BIGINT NOT NULL,
	urgent BIGINT NOT NULL, -- 0: emergency, 1: not, so that emergencies come first
	due BIGINT NOT NULL,
	service TEXT NOT NULL,
	jurisdiction TEXT NOT NULL,
	instrument TEXT NOT NULL,
	agency TEXT NOT NULL,
	officer TEXT NOT NULL,
	accounts BIGINT NOT NULL,
	received BIGINT NOT NULL,
	ended BIGINT NOT NULL,
	sealed BIGINT NOT NULL,
	frozen BIGINT NOT NULL,
	paused BIGINT NOT NULL,
	flagged BIGINT NOT NULL,
	wake BIGINT NOT NULL -- when the clockwork has to look at it next, 0: never
);
CREATE INDEX desk_case_order ON desk_case (urgent, due, id);
CREATE INDEX desk_case_queue ON desk_case (open, urgent, due, id);
CREATE INDEX desk_case_state ON desk_case (state, urgent, due, id);
CREATE INDEX desk_case_officer ON desk_case (officer, urgent, due, id);
CREATE INDEX desk_case_agency ON desk_case (agency, open);
CREATE INDEX desk_case_received ON desk_case (received, id);
CREATE INDEX desk_case_ended ON desk_case (ended);
CREATE INDEX desk_case_wake ON desk_case (wake);
CREATE TABLE desk_team (
	case_id TEXT NOT NULL,
	person TEXT NOT NULL,
	PRIMARY KEY (case_id, person)
);
-- What has to be sent. A row is taken before it is sent and marked when it was.
CREATE TABLE desk_outbox (
	id TEXT PRIMARY KEY,
	kind TEXT NOT NULL, -- warn, notice, standing
	case_id TEXT NOT NULL,
	subject TEXT NOT NULL, -- standing: jurisdiction
	body {{blob}} NOT NULL, -- sealed with the case's key; standing: plain
	due BIGINT NOT NULL,
	taken BIGINT NOT NULL, -- until when a sender has it
	tries BIGINT NOT NULL,
	done BIGINT NOT NULL
);
CREATE INDEX desk_outbox_due ON desk_outbox (done, due);
CREATE INDEX desk_outbox_case ON desk_outbox (case_id, kind);
