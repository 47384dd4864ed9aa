CREATE TABLE fiscal_periods (
    period_id integer PRIMARY KEY,
    days      daterange NOT NULL,
    closed_by integer REFERENCES employees,
    EXCLUDE USING gist (days WITH &&)
);
CREATE TABLE ledger_accounts (
    account   text PRIMARY KEY,
    name      text NOT NULL,
    parent    text REFERENCES ledger_accounts,
    debit     boolean NOT NULL
);
CREATE TABLE journal (
    entry_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    day       date NOT NULL,
    period_id integer NOT NULL REFERENCES fiscal_periods,
    text      text NOT NULL,
    invoice_id bigint REFERENCES invoices,
    CONSTRAINT period_is_open CHECK (period_takes(period_id, day))
);
CREATE TABLE journal_lines (
    entry_id  bigint REFERENCES journal ON DELETE CASCADE,
    account   text REFERENCES ledger_accounts,
    side      "char" NOT NULL CHECK (side IN ('D', 'C')),
    value     numeric(14, 2) NOT NULL CHECK (value > 0),
    PRIMARY KEY (entry_id, account, side)
);
