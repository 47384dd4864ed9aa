CREATE TABLE post_revisions (
    post_id   bigint REFERENCES posts ON DELETE CASCADE,
    revision  integer CHECK (revision > 0),
    body      markup NOT NULL,
    edited_by bigint NOT NULL REFERENCES accounts,
    edited_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason    text,
    PRIMARY KEY (post_id, revision)
);
