-- An unlogged table may only refer to another unlogged table.
CREATE UNLOGGED TABLE account_refs (account_id bigint PRIMARY KEY, handle handle NOT NULL);
