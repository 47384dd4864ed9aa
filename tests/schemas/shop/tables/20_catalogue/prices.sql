CREATE TABLE price_lists (
    price_list text PRIMARY KEY,
    currency   currency_code NOT NULL REFERENCES currencies,
    base       text REFERENCES price_lists,
    factor     numeric(6, 4) NOT NULL DEFAULT 1,
    gross      boolean NOT NULL DEFAULT true
);
CREATE TABLE prices (
    price_list text REFERENCES price_lists ON DELETE CASCADE,
    sku        sku REFERENCES variants ON DELETE CASCADE,
    minimum    positive_quantity DEFAULT 1,
    price      numeric(12, 2) NOT NULL CHECK (price >= 0),
    PRIMARY KEY (price_list, sku, minimum)
);
