CREATE TABLE pubsub_subscription (
	account    TEXT NOT NULL,
	node       TEXT NOT NULL,
	jid        TEXT NOT NULL,
	subscriber TEXT NOT NULL,
	created    BIGINT NOT NULL,
	PRIMARY KEY (account, node, jid)
);

CREATE INDEX pubsub_subscription_of ON pubsub_subscription (subscriber);
