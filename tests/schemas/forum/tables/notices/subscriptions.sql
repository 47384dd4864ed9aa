CREATE TABLE subscriptions (
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    space_id   integer REFERENCES spaces ON DELETE CASCADE,
    thread_id  bigint REFERENCES threads ON DELETE CASCADE,
    muted      boolean NOT NULL DEFAULT false,
    CHECK (num_nonnulls(space_id, thread_id) = 1)
);
CREATE UNIQUE INDEX subscriptions_to_space ON subscriptions (account_id, space_id) WHERE space_id IS NOT NULL;
CREATE UNIQUE INDEX subscriptions_to_thread ON subscriptions (account_id, thread_id) WHERE thread_id IS NOT NULL;
