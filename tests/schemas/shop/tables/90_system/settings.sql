CREATE TABLE settings (key text PRIMARY KEY, value jsonb NOT NULL);
CREATE TABLE webhooks (
    webhook_id serial PRIMARY KEY,
    address text NOT NULL,
    events text[] NOT NULL CHECK (cardinality(events) > 0)
);
CREATE TABLE webhook_deliveries (
    webhook_id integer NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    body json NOT NULL,
    status smallint
);
