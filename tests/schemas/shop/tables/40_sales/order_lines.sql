CREATE TABLE order_lines (
    order_id  bigint,
    placed_on date,
    line      smallint,
    sku       sku NOT NULL REFERENCES variants,
    amount    positive_quantity NOT NULL,
    price     numeric(12, 2) NOT NULL,
    tax_rate  percentage NOT NULL,
    total     numeric(14, 2) GENERATED ALWAYS AS (round(amount * price, 2)) STORED,
    PRIMARY KEY (order_id, placed_on, line),
    FOREIGN KEY (order_id, placed_on) REFERENCES orders ON DELETE CASCADE
) PARTITION BY RANGE (placed_on);
CREATE TABLE order_lines_2023 PARTITION OF order_lines FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE order_lines_2024 PARTITION OF order_lines FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE order_lines_rest PARTITION OF order_lines DEFAULT;
CREATE INDEX order_lines_sold ON order_lines (sku, placed_on) INCLUDE (amount, total);
