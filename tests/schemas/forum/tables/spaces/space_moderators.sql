CREATE TABLE space_moderators (
    space_id   integer NOT NULL,
    account_id bigint NOT NULL,
    PRIMARY KEY (space_id, account_id),
    FOREIGN KEY (space_id) REFERENCES spaces ON DELETE CASCADE,
    FOREIGN KEY (account_id) REFERENCES accounts ON DELETE CASCADE
);
