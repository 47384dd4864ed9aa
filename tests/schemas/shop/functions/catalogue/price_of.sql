-- Overloads: by list, by customer, for a whole cart.
CREATE FUNCTION price_of(p_sku sku, p_list text, p_amount numeric) RETURNS numeric LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_price numeric;
    v_list price_lists;
BEGIN
    SELECT price INTO v_price FROM prices
    WHERE price_list = p_list AND sku = p_sku AND minimum <= p_amount ORDER BY minimum DESC LIMIT 1;
    IF v_price IS NULL THEN
        SELECT * INTO v_list FROM price_lists WHERE price_list = p_list;
        IF v_list.base IS NOT NULL THEN
            RETURN round(price_of(p_sku, v_list.base, p_amount) * v_list.factor, 2);
        END IF;
    END IF;
    RETURN v_price;
END $$;
CREATE FUNCTION price_of(p_sku sku, p_customer_id bigint, p_amount numeric DEFAULT 1) RETURNS numeric LANGUAGE sql STABLE
AS $$ SELECT price_of(p_sku, price_list_of(p_customer_id), p_amount) $$;
CREATE FUNCTION price_of(c carts) RETURNS numeric LANGUAGE sql STABLE
AS $$ SELECT coalesce(sum(price_of(l.sku, c.price_list, l.amount) * l.amount), 0) FROM cart_lines l WHERE l.cart_id = c.cart_id $$;
