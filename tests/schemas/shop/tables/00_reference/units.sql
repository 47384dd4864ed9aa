CREATE TABLE units (
    unit text PRIMARY KEY,
    base text REFERENCES units,
    factor numeric NOT NULL DEFAULT 1 CHECK (factor > 0),
    CHECK (base IS NOT NULL OR factor = 1)
);
