CREATE TABLE set_parts (
    set_sku  sku REFERENCES variants ON DELETE CASCADE,
    part_sku sku REFERENCES variants,
    amount   positive_quantity NOT NULL DEFAULT 1,
    PRIMARY KEY (set_sku, part_sku),
    CHECK (set_sku <> part_sku)
);
CREATE TABLE related_products (
    a bigint REFERENCES products ON DELETE CASCADE,
    b bigint REFERENCES products ON DELETE CASCADE,
    PRIMARY KEY (a, b), CHECK (a < b)
);
