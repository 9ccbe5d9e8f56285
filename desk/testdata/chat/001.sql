CREATE TABLE sample_user (account TEXT PRIMARY KEY, created BIGINT NOT NULL);
