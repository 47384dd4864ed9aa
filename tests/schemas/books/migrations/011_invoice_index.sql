CREATE INDEX invoices_open ON books.invoices (partner_id, issued) WHERE state = 'open';
