CREATE TABLE reservations (
    reservation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id   bigint NOT NULL,
    placed_on  date NOT NULL,
    line       smallint NOT NULL,
    warehouse  text NOT NULL REFERENCES warehouses,
    amount     positive_quantity NOT NULL,
    expires_at timestamptz NOT NULL DEFAULT now() + reservation_time(),
    FOREIGN KEY (order_id, placed_on, line) REFERENCES order_lines ON DELETE CASCADE
);
