CREATE TABLE moderation_log (
    entry     bigint NOT NULL DEFAULT nextval('moderation_entries'),
    at        timestamptz NOT NULL DEFAULT now(),
    actor_id  bigint NOT NULL REFERENCES accounts,
    action    text NOT NULL,
    subject   jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (at, entry)
) PARTITION BY RANGE (at);

CREATE TABLE moderation_log_2023 PARTITION OF moderation_log
    FOR VALUES FROM ('2023-01-01 00:00:00+00') TO ('2024-01-01 00:00:00+00');
CREATE TABLE moderation_log_2024 PARTITION OF moderation_log
    FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2025-01-01 00:00:00+00');
CREATE TABLE moderation_log_later PARTITION OF moderation_log DEFAULT;
CREATE INDEX ON moderation_log USING brin (at);
