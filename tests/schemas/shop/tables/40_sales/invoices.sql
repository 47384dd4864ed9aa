CREATE TABLE invoices (
    invoice_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number      text NOT NULL UNIQUE DEFAULT next_number('I'),
    order_id    bigint NOT NULL,
    placed_on   date NOT NULL,
    issued_on   date NOT NULL DEFAULT CURRENT_DATE,
    due_on      date NOT NULL,
    bill_to     postal_address NOT NULL,
    taxes       tax_line[] NOT NULL DEFAULT '{}',
    state       document_state NOT NULL DEFAULT 'open',
    corrects_id bigint REFERENCES invoices,
    period_id   integer REFERENCES fiscal_periods,
    FOREIGN KEY (order_id, placed_on) REFERENCES orders,
    CHECK (due_on >= issued_on)
);
CREATE TABLE invoice_lines (
    invoice_id bigint REFERENCES invoices ON DELETE CASCADE,
    line       smallint,
    text       text NOT NULL,
    amount     quantity NOT NULL,
    price      amount NOT NULL,
    PRIMARY KEY (invoice_id, line)
);
