CREATE TABLE flag_reasons (reason text PRIMARY KEY, severity smallint NOT NULL CHECK (severity BETWEEN 1 AND 5));

CREATE TABLE flags (
    flag_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    post_id     bigint NOT NULL REFERENCES posts ON DELETE CASCADE,
    reporter_id bigint NOT NULL REFERENCES accounts,
    reason      text NOT NULL REFERENCES flag_reasons ON UPDATE CASCADE,
    note        text,
    state       flag_state NOT NULL DEFAULT 'open',
    handled_by  bigint REFERENCES accounts,
    handled_at  timestamptz,
    raised_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (post_id, reporter_id),
    CONSTRAINT handled_when_decided CHECK (state IN ('open', 'in review', 'can''t decide') OR handled_by IS NOT NULL)
);
CREATE INDEX flags_waiting ON flags (raised_at) WHERE state IN ('open', 'can''t decide');
