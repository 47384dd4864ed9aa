CREATE FUNCTION companies_of(p_user_id integer) RETURNS SETOF companies LANGUAGE sql STABLE AS $$
    SELECT c.* FROM companies c JOIN user_companies u ON u.company_id = c.id WHERE u.user_id = p_user_id
    UNION
    SELECT c.* FROM companies c JOIN users u ON u.company_id = c.id WHERE u.id = p_user_id
$$;
CREATE FUNCTION add_company(p_name text, p_currency text DEFAULT 'EUR', p_parent text DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_id companies.id%TYPE;
BEGIN
    INSERT INTO companies (name, currency_id, parent_id)
    SELECT p_name, c.id, (SELECT id FROM companies WHERE name = p_parent) FROM currencies c WHERE c.code = p_currency
    RETURNING id INTO STRICT v_id;
    INSERT INTO sequences (company_id, code, prefix) VALUES (v_id, 'INV', 'INV/'), (v_id, 'GEN', 'MISC/');
    PERFORM books.add_default_accounts(v_id);
    RETURN v_id;
END $$;
