CREATE TABLE orders (
    order_id    bigint NOT NULL DEFAULT nextval('order_ids'),
    placed_on   date NOT NULL DEFAULT CURRENT_DATE,
    number      text NOT NULL DEFAULT next_number('O'),
    customer_id bigint NOT NULL REFERENCES customers,
    channel     "Channel" NOT NULL DEFAULT 'Web',
    state       order_state NOT NULL DEFAULT 'draft',
    ship_to     postal_address,
    currency    currency_code NOT NULL REFERENCES currencies,
    net         numeric(14, 2) NOT NULL DEFAULT 0,
    tax         numeric(14, 2) NOT NULL DEFAULT 0,
    gross       numeric(14, 2) GENERATED ALWAYS AS (net + tax) STORED,
    coupon      text REFERENCES coupons ON DELETE SET NULL,
    replaces_id bigint,
    replaces_on date,
    PRIMARY KEY (order_id, placed_on),
    UNIQUE (number, placed_on),
    CONSTRAINT replaces FOREIGN KEY (replaces_id, replaces_on) REFERENCES orders (order_id, placed_on)
) PARTITION BY RANGE (placed_on);

CREATE TABLE orders_2023 PARTITION OF orders FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE orders_2024 PARTITION OF orders FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE orders_rest PARTITION OF orders DEFAULT;
CREATE INDEX orders_open ON orders (customer_id, placed_on) WHERE state NOT IN ('done', 'cancelled');
