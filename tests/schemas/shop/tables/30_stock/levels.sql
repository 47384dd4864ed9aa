CREATE TABLE stock_levels (
    warehouse text,
    bin       text,
    sku       sku REFERENCES variants,
    lot       text NOT NULL DEFAULT '',
    on_hand   quantity NOT NULL DEFAULT 0,
    reserved  quantity NOT NULL DEFAULT 0,
    available quantity GENERATED ALWAYS AS (on_hand - reserved) STORED,
    PRIMARY KEY (warehouse, bin, sku, lot),
    FOREIGN KEY (warehouse, bin) REFERENCES bins,
    CONSTRAINT never_below_zero CHECK (on_hand >= 0 OR allows_negative(warehouse))
);
