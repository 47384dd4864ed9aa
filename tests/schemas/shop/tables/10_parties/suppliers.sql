CREATE TABLE suppliers (
    supplier_id integer PRIMARY KEY REFERENCES parties,
    number      text NOT NULL UNIQUE DEFAULT next_number('S'),
    country     country_code NOT NULL REFERENCES countries,
    currency    currency_code NOT NULL REFERENCES currencies,
    lead_time   interval NOT NULL DEFAULT '14 days',
    rating      numeric(2, 1) CHECK (rating BETWEEN 1 AND 5)
);
