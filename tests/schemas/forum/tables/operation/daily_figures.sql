CREATE TABLE daily_figures (
    day     date PRIMARY KEY,
    figures jsonb NOT NULL,
    posts   integer GENERATED ALWAYS AS ((figures ->> 'posts')::integer) STORED
);
