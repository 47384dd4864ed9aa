CREATE TABLE account_emails (
    address     text PRIMARY KEY CHECK (position('@' in address) > 1),
    account_id  bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    is_primary  boolean NOT NULL DEFAULT false,
    verified_at timestamptz
);
-- One primary address each.
CREATE UNIQUE INDEX account_emails_primary ON account_emails (account_id) WHERE is_primary;
CREATE UNIQUE INDEX ON account_emails (lower(address));
