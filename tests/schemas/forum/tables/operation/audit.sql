CREATE TABLE audit (
    audit_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_name regclass NOT NULL,
    row_key    text NOT NULL,
    was        jsonb,
    became     jsonb,
    at         timestamptz NOT NULL DEFAULT now(),
    account_id bigint DEFAULT acting_account()
);
