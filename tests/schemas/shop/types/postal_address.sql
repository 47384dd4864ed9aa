CREATE TYPE postal_address AS (
    recipient   text,
    street      text,
    house       text,
    postcode    text,
    city        text,
    country     country_code
);
