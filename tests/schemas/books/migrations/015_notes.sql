CREATE TABLE notes (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model      text NOT NULL,
    record_id  bigint NOT NULL,
    body       text NOT NULL,
    author_id  integer REFERENCES users,
    written_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON notes (model, record_id);
