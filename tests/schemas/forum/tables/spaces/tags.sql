CREATE TABLE tags (
    tag       text PRIMARY KEY CHECK (tag = lower(tag) AND tag !~ '\s'),
    color     char(7) NOT NULL DEFAULT '#888888' CHECK (color ~ '^#[0-9a-f]{6}$'),
    uses      integer NOT NULL DEFAULT 0
);
CREATE TABLE tag_synonyms (
    synonym text PRIMARY KEY,
    tag     text NOT NULL REFERENCES tags ON UPDATE CASCADE ON DELETE CASCADE,
    CHECK (synonym <> tag)
);
