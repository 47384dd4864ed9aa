CREATE TABLE reaction_kinds (
    kind   text PRIMARY KEY,
    glyph  text NOT NULL UNIQUE,
    weight smallint NOT NULL DEFAULT 1
);
CREATE TABLE post_reactions (
    post_id    bigint NOT NULL REFERENCES posts ON DELETE CASCADE,
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    kind       text   NOT NULL REFERENCES reaction_kinds,
    at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT "one of each" PRIMARY KEY (post_id, account_id, kind)
);
