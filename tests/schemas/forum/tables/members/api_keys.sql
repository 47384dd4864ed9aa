CREATE TABLE api_keys (
    key_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id bigint NOT NULL REFERENCES accounts,
    label      text NOT NULL,
    scopes     text[] NOT NULL DEFAULT '{read}',
    secret     bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    CONSTRAINT known_scopes CHECK (scopes <@ ARRAY['read', 'write', 'moderate', 'admin']),
    UNIQUE (account_id, label)
);
