CREATE TABLE countries (
    code     country_code PRIMARY KEY,
    name     text NOT NULL,
    currency currency_code NOT NULL REFERENCES currencies,
    in_union boolean NOT NULL DEFAULT false
);
