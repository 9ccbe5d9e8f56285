-- What an invitation is for: an account or not; contacts; the name that it keeps free ('' any).
ALTER TABLE account_invite ADD COLUMN makes_account BIGINT NOT NULL DEFAULT 1;
ALTER TABLE account_invite ADD COLUMN contact BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account_invite ADD COLUMN local TEXT NOT NULL DEFAULT '';
CREATE INDEX account_invite_local ON account_invite (local);

-- Since when an account is an operator; 0: it is none.
ALTER TABLE account_user ADD COLUMN operator BIGINT NOT NULL DEFAULT 0;
