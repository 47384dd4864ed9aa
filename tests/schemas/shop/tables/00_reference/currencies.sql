CREATE TABLE currencies (
    code     currency_code PRIMARY KEY,
    name     text NOT NULL UNIQUE,
    decimals smallint NOT NULL DEFAULT 2 CHECK (decimals BETWEEN 0 AND 4)
);
CREATE TABLE exchange_rates (
    currency currency_code NOT NULL REFERENCES currencies,
    day      date NOT NULL,
    per_euro numeric(18, 8) NOT NULL CHECK (per_euro > 0),
    PRIMARY KEY (currency, day)
);
