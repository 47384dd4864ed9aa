CREATE FUNCTION place_order(p_cart_id uuid, p_ship_to postal_address DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_cart  carts;
    v_customer customers;
    v_order orders;
    v_line  record;
    v_number smallint := 0;
BEGIN
    SELECT * INTO STRICT v_cart FROM carts WHERE cart_id = p_cart_id FOR UPDATE;
    SELECT * INTO v_customer FROM customers WHERE customer_id = v_cart.customer_id;
    IF NOT may_order(v_customer) THEN
        RAISE EXCEPTION 'customer % may not order', v_customer.number USING ERRCODE = 'PT402';
    END IF;
    INSERT INTO orders (customer_id, channel, ship_to, currency, coupon)
    SELECT v_customer.customer_id, v_cart.channel, coalesce(p_ship_to, a.address), l.currency, v_cart.coupon
    FROM price_lists l LEFT JOIN customer_addresses a ON a.address_id = v_customer.default_address_id
    WHERE l.price_list = v_cart.price_list
    RETURNING * INTO v_order;
    FOR v_line IN SELECT * FROM cart_contents WHERE cart_id = p_cart_id ORDER BY sku LOOP
        v_number := v_number + 1;
        INSERT INTO order_lines (order_id, placed_on, line, sku, amount, price, tax_rate)
        VALUES (v_order.order_id, v_order.placed_on, v_number, v_line.sku, v_line.amount, v_line.price,
                tax_rate(v_customer.country, v_line.tax_class));
    END LOOP;
    UPDATE orders SET state = 'placed' WHERE order_id = v_order.order_id;
    DELETE FROM carts WHERE cart_id = p_cart_id;
    RETURN v_order.order_id;
END $$;
