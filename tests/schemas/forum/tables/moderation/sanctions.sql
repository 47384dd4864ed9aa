CREATE TABLE sanctions (
    sanction_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  bigint NOT NULL REFERENCES accounts,
    by_id       bigint NOT NULL REFERENCES accounts,
    flag_id     bigint REFERENCES flags,
    at          timestamptz NOT NULL DEFAULT now(),
    note        text NOT NULL DEFAULT ''
);
-- Kinds of sanctions; `SELECT … FROM sanctions` sees both.
CREATE TABLE account_warnings (
    points  smallint NOT NULL DEFAULT 1,
    expires date,
    PRIMARY KEY (sanction_id)
) INHERITS (sanctions);
CREATE TABLE bans (
    ends_at    timestamptz,
    lifted_by  bigint REFERENCES accounts,
    PRIMARY KEY (sanction_id),
    CHECK (ends_at > at)
) INHERITS (sanctions);
