CREATE TABLE stock_counts (
    count_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    warehouse  text NOT NULL REFERENCES warehouses,
    started_by integer NOT NULL REFERENCES employees,
    state      document_state NOT NULL DEFAULT 'open'
);
CREATE TABLE stock_count_lines (
    count_id integer REFERENCES stock_counts ON DELETE CASCADE,
    bin      text,
    sku      sku REFERENCES variants,
    expected quantity NOT NULL,
    counted  quantity,
    PRIMARY KEY (count_id, bin, sku)
);
