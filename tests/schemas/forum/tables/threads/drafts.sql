CREATE TABLE drafts (
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    target     text NOT NULL,     -- 'thread:12', 'space:3', 'conversation:8'
    content    markup NOT NULL,
    saved_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, target)
);
