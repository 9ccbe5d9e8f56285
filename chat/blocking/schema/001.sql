CREATE TABLE blocking_item (
	account TEXT NOT NULL,
	blocked TEXT NOT NULL, -- user@domain/resource, user@domain, domain/resource or domain
	PRIMARY KEY (account, blocked)
);

CREATE INDEX blocking_item_blocked ON blocking_item (blocked);
