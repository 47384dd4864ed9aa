CREATE TABLE jobs (
    job_id    uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind      text NOT NULL,
    arguments jsonb NOT NULL DEFAULT '{}',
    run_at    timestamptz NOT NULL DEFAULT now(),
    attempts  smallint NOT NULL DEFAULT 0,
    locked_by text,
    error     text
);
CREATE INDEX jobs_due ON jobs (run_at) WHERE locked_by IS NULL;
