-- The card of a room that has a picture.
CREATE TABLE muc_avatar (
	room TEXT PRIMARY KEY,
	card {{blob}} NOT NULL
);
