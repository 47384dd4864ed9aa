CREATE FUNCTION add_customer(p_name text, p_email text DEFAULT NULL, p_address postal_address DEFAULT NULL)
RETURNS customers LANGUAGE plpgsql AS $$
DECLARE
    v_customer customers;
    v_address_id customer_addresses.address_id%TYPE;
BEGIN
    INSERT INTO customers (name, email, country)
    VALUES (p_name, p_email, coalesce((p_address).country, home_country()))
    RETURNING * INTO v_customer;
    IF p_address IS NOT NULL THEN
        INSERT INTO customer_addresses (customer_id, address) VALUES (v_customer.customer_id, p_address)
        RETURNING address_id INTO v_address_id;
        UPDATE customers SET default_address_id = v_address_id WHERE customer_id = v_customer.customer_id
        RETURNING * INTO v_customer;
    END IF;
    RETURN v_customer;
END $$;
CREATE FUNCTION find_customers(p_text text) RETURNS SETOF customer_overview LANGUAGE sql STABLE AS $$
    SELECT o.* FROM customer_overview o JOIN customers c USING (customer_id) WHERE c.search LIKE '%' || lower(p_text) || '%'
$$;
CREATE FUNCTION owes(p_customer_id bigint) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(open), 0) FROM open_invoices WHERE customer_id = p_customer_id
$$;
CREATE FUNCTION may_order(c customers) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT c.blocked AND coalesce(owes(c.customer_id) <= (c.credit_limit).value, true)
$$;
CREATE FUNCTION price_list_of(p_customer_id bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT g.price_list FROM customer_group_members m JOIN customer_groups g USING (group_id)
        WHERE m.customer_id = p_customer_id AND g.price_list IS NOT NULL ORDER BY g.discount DESC LIMIT 1
    ), 'retail')
$$;
