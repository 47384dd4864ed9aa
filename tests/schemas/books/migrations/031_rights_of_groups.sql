CREATE TABLE group_rights (
    group_id integer NOT NULL REFERENCES groups ON DELETE CASCADE,
    model    text NOT NULL,
    "read"   boolean NOT NULL DEFAULT true,
    "write"  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (group_id, model)
);
