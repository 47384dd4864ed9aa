CREATE TABLE polls (
    poll_id    bigserial PRIMARY KEY,
    thread_id  bigint NOT NULL UNIQUE REFERENCES threads ON DELETE CASCADE,
    question   text NOT NULL,
    open_while tstzrange NOT NULL DEFAULT tstzrange(now(), NULL),
    choices    smallint NOT NULL DEFAULT 1 CHECK (choices > 0)
);
CREATE TABLE poll_options (
    poll_id bigint REFERENCES polls ON DELETE CASCADE,
    option  smallint,
    label   text NOT NULL,
    PRIMARY KEY (poll_id, option)
);
CREATE TABLE poll_votes (
    poll_id    bigint,
    option     smallint,
    account_id bigint REFERENCES accounts ON DELETE CASCADE,
    FOREIGN KEY (poll_id, option) REFERENCES poll_options ON DELETE CASCADE,
    PRIMARY KEY (poll_id, option, account_id),
    CONSTRAINT may_still_vote CHECK (poll_takes(poll_id, account_id))
);
