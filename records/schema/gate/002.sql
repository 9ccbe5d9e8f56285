ALTER TABLE gate_hold ADD COLUMN copied BIGINT NOT NULL DEFAULT 0; -- when states were copied; 0: not yet
