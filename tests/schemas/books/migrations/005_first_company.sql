BEGIN;

INSERT INTO companies (name, currency_id) SELECT 'Holding', id FROM currencies WHERE code = 'EUR';
INSERT INTO sequences (company_id, code, prefix) SELECT id, 'INV', 'INV/' FROM companies;

COMMIT;
