CREATE TABLE audit_log (
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    relation name NOT NULL,
    action   "char" NOT NULL,
    key      jsonb NOT NULL,
    change   jsonb,
    by       name NOT NULL DEFAULT SESSION_USER
) PARTITION BY HASH (relation);
CREATE TABLE audit_log_0 PARTITION OF audit_log FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE audit_log_1 PARTITION OF audit_log FOR VALUES WITH (MODULUS 2, REMAINDER 1);
