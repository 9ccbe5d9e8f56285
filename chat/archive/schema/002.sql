-- A message is one row and nothing else: which archives hold it stands in the row, and which messages an account has is written down for a
-- whole bucket at a time.
ALTER TABLE archive_stanza ADD COLUMN holds INTEGER NOT NULL DEFAULT 0; -- 1: the sender's archive, 2: the recipient's

UPDATE archive_stanza SET holds =
	CASE WHEN EXISTS (SELECT 1 FROM archive_entry e WHERE e.bucket = archive_stanza.id >> 14 AND e.account = archive_stanza.sender AND e.id = archive_stanza.id) THEN 1 ELSE 0 END +
	CASE WHEN sender <> recipient AND EXISTS (SELECT 1 FROM archive_entry e WHERE e.bucket = archive_stanza.id >> 14 AND e.account = archive_stanza.recipient AND e.id = archive_stanza.id) THEN 2 ELSE 0 END;

DROP INDEX archive_stanza_at; -- times never go back along the ids
DROP TABLE archive_entry;
DROP TABLE archive_span;

-- The messages of an account in a bucket (id >> 14) of the past: an index that may name more than there is. The rows of archive_stanza say
-- what is. See postings.go for the bytes.
CREATE TABLE archive_posting (
	account TEXT NOT NULL,
	bucket  BIGINT NOT NULL,
	ids     {{blob}} NOT NULL,
	PRIMARY KEY (account, bucket)
);

CREATE INDEX archive_posting_bucket ON archive_posting (bucket);

-- Buckets before this one stand in archive_posting.
CREATE TABLE archive_packed (
	one    INTEGER PRIMARY KEY CHECK (one = 1),
	bucket BIGINT NOT NULL
);

INSERT INTO archive_packed (one, bucket) SELECT 1, COALESCE(MIN(id), 0) >> 14 FROM archive_stanza;
