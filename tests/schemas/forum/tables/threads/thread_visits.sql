-- Read marks: one row for each reader and thread.
CREATE TABLE thread_visits (
    account_id  bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    thread_id   bigint NOT NULL REFERENCES threads ON DELETE CASCADE,
    read_up_to  integer NOT NULL DEFAULT 0,
    visited_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, thread_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
