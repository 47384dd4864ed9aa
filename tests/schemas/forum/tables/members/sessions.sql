CREATE UNLOGGED TABLE sessions (
    token_hash bytea PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES account_refs (account_id) ON DELETE CASCADE,
    started_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL DEFAULT now() + interval '30 days',
    address    inet,
    agent      text
) WITH (fillfactor = 70);
CREATE INDEX sessions_by_account ON sessions USING hash (account_id);
CREATE INDEX sessions_expiring ON sessions (expires_at);
