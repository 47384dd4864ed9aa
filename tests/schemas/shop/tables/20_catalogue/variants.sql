CREATE TABLE variants (
    sku        sku PRIMARY KEY,
    product_id bigint NOT NULL REFERENCES products ON DELETE CASCADE,
    ean        char(13) UNIQUE CHECK (ean_is_valid(ean)),
    size       dimensions,
    volume_cm3 numeric GENERATED ALWAYS AS (volume_of(size) / 1000.0) STORED,
    replaced_by sku REFERENCES variants
);
CREATE INDEX variants_of_product ON variants (product_id);
CREATE INDEX variants_heavy ON variants (((size).weight_g)) WHERE (size).weight_g > 30000;
