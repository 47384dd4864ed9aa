CREATE TABLE parties (
    party_id serial PRIMARY KEY,
    name     text NOT NULL
);
CREATE TABLE contacts (
    party_id integer NOT NULL REFERENCES parties ON DELETE CASCADE,
    kind     text NOT NULL CHECK (kind IN ('mail', 'phone', 'fax')),
    value    text NOT NULL,
    PRIMARY KEY (party_id, kind, value)
);
