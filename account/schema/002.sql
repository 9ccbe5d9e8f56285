-- When a device last showed the password, since the password was last changed; 0: it has not.
ALTER TABLE account_device ADD COLUMN password BIGINT NOT NULL DEFAULT 0;

-- A device's tokens (XEP-0484 §5.1). The token is made of the nonce and a key that is not in this table.
CREATE TABLE account_token (
	account   TEXT NOT NULL,
	device    TEXT NOT NULL,
	slot      TEXT NOT NULL, -- "current" or "new"
	mechanism TEXT NOT NULL,
	nonce     {{blob}} NOT NULL,
	issued    BIGINT NOT NULL,
	expires   BIGINT NOT NULL,
	count     BIGINT NOT NULL DEFAULT 0, -- the highest that came with it (XEP-0484 §3.4)
	PRIMARY KEY (account, device, slot)
);
CREATE INDEX account_token_expires ON account_token (expires);
