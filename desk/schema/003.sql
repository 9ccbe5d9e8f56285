-- Who of the staff looked at what of a case: one row for each person, thing and hour, with the first time.
CREATE TABLE desk_look (
	case_id TEXT NOT NULL,
	at BIGINT NOT NULL,
	hour BIGINT NOT NULL,
	person TEXT NOT NULL,
	what TEXT NOT NULL, -- empty: the case; else the id of a document
	PRIMARY KEY (case_id, hour, person, what)
);
