CREATE TYPE markup AS (
    source  text,
    html    text,
    version smallint
);
