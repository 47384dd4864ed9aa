CREATE TABLE books.tax_groups (
    id serial PRIMARY KEY,
    name text NOT NULL UNIQUE
);
ALTER TABLE books.taxes ADD COLUMN group_id integer REFERENCES books.tax_groups (id);
