-- Commitments as they were accepted. Append-only: a promise was given for each.
CREATE TABLE tlog_entries (
	id         {{serial}},
	commitment {{blob}} NOT NULL UNIQUE,
	lane       INTEGER NOT NULL, -- 0: stays closed; 1: will be published opened
	received   BIGINT NOT NULL,
	by_time    BIGINT NOT NULL
);
{{appendonly tlog_entries}}

-- What waits for a batch: taken out in the transaction that closes the batch.
CREATE TABLE tlog_pending (
	id         BIGINT PRIMARY KEY,
	commitment {{blob}} NOT NULL UNIQUE,
	lane       INTEGER NOT NULL,
	by_time    BIGINT NOT NULL
);

-- One row for each closed batch. edge is the right edge of the tree after it: the roots of its perfect subtrees, largest first.
CREATE TABLE tlog_batches (
	n          BIGINT PRIMARY KEY,
	tick       BIGINT NOT NULL UNIQUE,
	closed     BIGINT NOT NULL,
	first_leaf BIGINT NOT NULL,
	size       BIGINT NOT NULL,
	root       {{blob}} NOT NULL,
	edge       {{blob}} NOT NULL
);
{{appendonly tlog_batches}}

-- The leaves of the log by their number: commitments and dummies alike.
CREATE TABLE tlog_leaves (
	idx  {{serial}},
	leaf {{blob}} NOT NULL UNIQUE
);
{{appendonly tlog_leaves}}

-- Every tree head that was signed and served.
CREATE TABLE tlog_published (
	size BIGINT PRIMARY KEY,
	root {{blob}} NOT NULL,
	note TEXT NOT NULL,
	at   BIGINT NOT NULL
);
{{appendonly tlog_published}}
