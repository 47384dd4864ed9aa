CREATE TABLE mentions (
    post_id    bigint REFERENCES posts ON DELETE CASCADE,
    account_id bigint REFERENCES accounts ON DELETE CASCADE,
    PRIMARY KEY (post_id, account_id)
);
