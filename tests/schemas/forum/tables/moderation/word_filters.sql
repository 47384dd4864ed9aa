CREATE TABLE word_filters (
    pattern     text PRIMARY KEY,
    replacement text NOT NULL DEFAULT '…',
    added_by    bigint REFERENCES accounts
);
