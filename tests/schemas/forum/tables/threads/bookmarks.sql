CREATE TABLE bookmarks (
    bookmark_id bigserial PRIMARY KEY,
    account_id  bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    thread_id   bigint REFERENCES threads ON DELETE CASCADE,
    post_id     bigint REFERENCES posts ON DELETE CASCADE,
    note        varchar(200),
    remind_at   timestamptz,
    CHECK (num_nonnulls(thread_id, post_id) = 1)
);
CREATE INDEX ON bookmarks (remind_at) WHERE remind_at IS NOT NULL;
