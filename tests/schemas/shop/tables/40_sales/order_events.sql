CREATE TABLE order_events (
    order_id  bigint NOT NULL,
    placed_on date NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    was       order_state,
    became    order_state NOT NULL,
    by        name NOT NULL DEFAULT CURRENT_USER,
    FOREIGN KEY (order_id, placed_on) REFERENCES orders ON DELETE CASCADE
);
