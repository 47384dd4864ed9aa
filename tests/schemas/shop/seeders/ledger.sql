INSERT INTO ledger_accounts (account, parent, name, debit) VALUES
    ('1200', '1000', 'Bank', true), ('1000', NULL, 'Assets', true), ('4000', NULL, 'Sales', false);
INSERT INTO fiscal_periods (period_id, days) VALUES (2023, '[2023-01-01,2024-01-01)'), (2024, '[2024-01-01,2100-01-01)');
