CREATE TABLE lots (
    sku     sku NOT NULL REFERENCES variants,
    lot     text NOT NULL,
    best_before date,
    PRIMARY KEY (sku, lot)
);
CREATE TABLE serial_numbers (
    sku     sku NOT NULL REFERENCES variants,
    serial  text NOT NULL,
    lot     text,
    sold_on bigint,
    sold_day date,
    PRIMARY KEY (sku, serial),
    FOREIGN KEY (sku, lot) REFERENCES lots,
    CONSTRAINT sold_with FOREIGN KEY (sold_on, sold_day) REFERENCES orders (order_id, placed_on)
);
