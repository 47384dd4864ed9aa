CREATE FUNCTION books.add_default_accounts(p_company integer) RETURNS bigint LANGUAGE sql AS $$
    WITH added AS (
        INSERT INTO books.accounts (company_id, code, name, kind)
        VALUES (p_company, '1200', 'Bank', 'asset'), (p_company, '1400', 'Receivables', 'asset'),
               (p_company, '1600', 'Payables', 'liability'), (p_company, '4000', 'Sales', 'income'),
               (p_company, '6000', 'Wages', 'expense')
        RETURNING 1
    ), opened AS (
        INSERT INTO books.journals (company_id, code, name, kind)
        VALUES (p_company, 'INV', 'Invoices', 'sale'), (p_company, 'GEN', 'Other', 'general')
    )
    SELECT count(*) FROM added
$$;
CREATE FUNCTION books.account(p_company integer, p_code text) RETURNS integer LANGUAGE sql STABLE
AS $$ SELECT id FROM books.accounts WHERE company_id = p_company AND code = p_code $$;
