CREATE TABLE warehouses (
    warehouse text PRIMARY KEY CHECK (warehouse ~ '^[A-Z]{2,4}$'),
    address   postal_address,
    sells     boolean NOT NULL DEFAULT true
);
CREATE TABLE bins (
    warehouse text REFERENCES warehouses,
    bin       text,
    zone      text NOT NULL DEFAULT 'A',
    capacity  numeric,
    PRIMARY KEY (warehouse, bin)
);
