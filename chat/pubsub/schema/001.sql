CREATE TABLE pubsub_node (
	account   TEXT NOT NULL,
	node      TEXT NOT NULL,
	title     TEXT NOT NULL,
	kind      TEXT NOT NULL,
	access    TEXT NOT NULL,
	persist   INTEGER NOT NULL,
	max_items INTEGER NOT NULL,
	send_last TEXT NOT NULL,
	payloads  INTEGER NOT NULL,
	retracts  INTEGER NOT NULL,
	deletes   INTEGER NOT NULL,
	created   BIGINT NOT NULL,
	PRIMARY KEY (account, node)
);

CREATE TABLE pubsub_item (
	seq       {{serial}},
	account   TEXT NOT NULL,
	node      TEXT NOT NULL,
	item      TEXT NOT NULL,
	payload   {{blob}} NOT NULL,
	published BIGINT NOT NULL
);

CREATE UNIQUE INDEX pubsub_item_id ON pubsub_item (account, node, item);
CREATE INDEX pubsub_item_new ON pubsub_item (account, node, seq);
