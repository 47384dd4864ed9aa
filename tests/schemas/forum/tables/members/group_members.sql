CREATE TABLE IF NOT EXISTS group_members (
    group_id   integer REFERENCES groups ON DELETE CASCADE,
    account_id bigint  REFERENCES accounts ON DELETE CASCADE,
    role       text NOT NULL DEFAULT 'member' CHECK (role = ANY (ARRAY['member', 'manager'])),
    since      date NOT NULL DEFAULT current_date,
    PRIMARY KEY (group_id, account_id)
);
CREATE INDEX group_members_of_account ON group_members (account_id) INCLUDE (role);
