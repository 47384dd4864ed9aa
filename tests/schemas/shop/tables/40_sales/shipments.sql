CREATE TABLE carriers (carrier text PRIMARY KEY, tracking_address text);
CREATE TABLE carrier_zones (
    carrier  text REFERENCES carriers,
    country  country_code REFERENCES countries,
    price    amount NOT NULL,
    per_kg   numeric(8, 2) NOT NULL DEFAULT 0,
    PRIMARY KEY (carrier, country)
);
CREATE TABLE shipments (
    shipment_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id    bigint NOT NULL,
    placed_on   date NOT NULL,
    carrier     text NOT NULL REFERENCES carriers,
    warehouse   text NOT NULL REFERENCES warehouses,
    tracking    text,
    sent_at     timestamptz,
    FOREIGN KEY (order_id, placed_on) REFERENCES orders
);
CREATE TABLE shipment_lines (
    shipment_id bigint REFERENCES shipments ON DELETE CASCADE,
    order_id    bigint,
    placed_on   date,
    line        smallint,
    amount      positive_quantity NOT NULL,
    PRIMARY KEY (shipment_id, line),
    FOREIGN KEY (order_id, placed_on, line) REFERENCES order_lines
);
