CREATE TABLE supplier_prices (
    supplier_id integer REFERENCES suppliers,
    sku         sku REFERENCES variants,
    price       amount NOT NULL,
    minimum     positive_quantity NOT NULL DEFAULT 1,
    PRIMARY KEY (supplier_id, sku)
);
CREATE TABLE purchase_orders (
    purchase_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number       text NOT NULL UNIQUE DEFAULT next_number('P'),
    supplier_id  integer NOT NULL REFERENCES suppliers,
    ordered_by   integer REFERENCES employees,
    expected_on  date,
    state        document_state NOT NULL DEFAULT 'open'
);
CREATE TABLE purchase_lines (
    purchase_id bigint REFERENCES purchase_orders ON DELETE CASCADE,
    line        smallint,
    sku         sku NOT NULL REFERENCES variants,
    amount      positive_quantity NOT NULL,
    price       amount NOT NULL,
    received    quantity NOT NULL DEFAULT 0,
    PRIMARY KEY (purchase_id, line)
);
CREATE TABLE receipts (
    receipt_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    purchase_id bigint NOT NULL REFERENCES purchase_orders,
    warehouse   text NOT NULL REFERENCES warehouses,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE receipt_lines (
    receipt_id  bigint REFERENCES receipts ON DELETE CASCADE,
    purchase_id bigint,
    line        smallint,
    bin         text NOT NULL,
    lot         text NOT NULL DEFAULT '',
    amount      positive_quantity NOT NULL,
    PRIMARY KEY (receipt_id, line, bin, lot),
    FOREIGN KEY (purchase_id, line) REFERENCES purchase_lines
);
