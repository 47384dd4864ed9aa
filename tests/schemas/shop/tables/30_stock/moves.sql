CREATE TABLE stock_moves (
    move_id   bigint GENERATED ALWAYS AS IDENTITY,
    day       date NOT NULL DEFAULT CURRENT_DATE,
    kind      move_kind NOT NULL,
    sku       sku NOT NULL REFERENCES variants,
    lot       text NOT NULL DEFAULT '',
    from_bin  bins,
    to_bin    bins,
    amount    positive_quantity NOT NULL,
    document  text,
    CONSTRAINT somewhere CHECK (num_nonnulls(from_bin, to_bin) > 0),
    CONSTRAINT to_another_bin CHECK (bin_name(from_bin) IS DISTINCT FROM bin_name(to_bin)),
    PRIMARY KEY (day, kind, move_id)
) PARTITION BY RANGE (day);
CREATE TABLE stock_moves_2023 PARTITION OF stock_moves FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE stock_moves_2024 PARTITION OF stock_moves FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')
    PARTITION BY LIST (kind);
CREATE TABLE stock_moves_2024_issue PARTITION OF stock_moves_2024 FOR VALUES IN ('issue', 'return');
CREATE TABLE stock_moves_2024_other PARTITION OF stock_moves_2024 DEFAULT;
CREATE TABLE stock_moves_rest PARTITION OF stock_moves DEFAULT;
CREATE INDEX stock_moves_by_sku ON stock_moves (sku, day);
