CREATE TABLE notices (
    notice_id  bigint GENERATED ALWAYS AS IDENTITY,
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    kind       notice_kind NOT NULL,
    payload    jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    read_at    timestamptz,
    PRIMARY KEY (account_id, notice_id)
) PARTITION BY HASH (account_id);
CREATE TABLE notices_0 PARTITION OF notices FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE notices_1 PARTITION OF notices FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE notices_2 PARTITION OF notices FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE notices_3 PARTITION OF notices FOR VALUES WITH (MODULUS 4, REMAINDER 3);
CREATE INDEX notices_unread ON notices (account_id, created_at DESC) WHERE read_at IS NULL;
