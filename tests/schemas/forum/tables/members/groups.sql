CREATE TABLE groups (
    group_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    slug       text GENERATED ALWAYS AS (slugify(name)) STORED UNIQUE,
    owner_id   bigint NOT NULL REFERENCES accounts,
    is_open    boolean NOT NULL DEFAULT true
);
