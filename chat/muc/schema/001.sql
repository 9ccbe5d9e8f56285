-- One row per room that is not locked any more. Rows of rooms that are not persistent go when the room empties, at the latest at the next start.
CREATE TABLE muc_room (
	room      TEXT PRIMARY KEY,  -- the part before the @
	options   TEXT NOT NULL,     -- the configuration, as JSON
	secret    {{blob}} NOT NULL, -- the key of the occupant ids
	temporary BOOLEAN NOT NULL,
	listed    BOOLEAN NOT NULL,  -- in the list of rooms
	created   BIGINT NOT NULL
);

CREATE INDEX muc_room_listed ON muc_room (room) WHERE listed;

-- Who belongs to a room, or must not enter it. account is a bare address or a domain.
CREATE TABLE muc_affiliation (
	room        TEXT NOT NULL,
	account     TEXT NOT NULL,
	affiliation TEXT NOT NULL,    -- owner, admin, member, outcast
	nick        TEXT NOT NULL,    -- the reserved nickname; empty: none
	reason      TEXT NOT NULL,    -- of a ban
	absent      BOOLEAN NOT NULL, -- wants each message while no session is in the room
	since       BIGINT NOT NULL,
	PRIMARY KEY (room, account)
) {{norowid}};

CREATE INDEX muc_affiliation_account ON muc_affiliation (account, room);

-- The subject of a room and who set it.
CREATE TABLE muc_subject (
	room    TEXT PRIMARY KEY,
	account TEXT NOT NULL, -- bare address
	nick    TEXT NOT NULL, -- under which it was set
	subject TEXT NOT NULL,
	at      BIGINT NOT NULL
);

CREATE INDEX muc_subject_account ON muc_subject (account);
