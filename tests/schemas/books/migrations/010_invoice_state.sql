CREATE TYPE books.invoice_state AS ENUM ('draft', 'open', 'paid', 'void');
ALTER TABLE books.invoices ADD COLUMN state books.invoice_state NOT NULL DEFAULT 'draft';
