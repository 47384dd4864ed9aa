CREATE FUNCTION add_to_cart(p_cart_id uuid, p_sku sku, p_amount numeric DEFAULT 1) RETURNS SETOF cart_contents LANGUAGE sql AS $$
    INSERT INTO cart_lines AS l (cart_id, sku, amount) VALUES (p_cart_id, p_sku, p_amount)
    ON CONFLICT (cart_id, sku) DO UPDATE SET amount = l.amount + excluded.amount;
    SELECT * FROM cart_contents WHERE cart_id = p_cart_id;
$$;
CREATE FUNCTION new_cart(p_customer_id bigint DEFAULT NULL, p_channel "Channel" DEFAULT 'Web') RETURNS uuid LANGUAGE sql AS $$
    INSERT INTO carts (customer_id, channel, price_list) VALUES (p_customer_id, p_channel, price_list_of(p_customer_id))
    RETURNING cart_id
$$;
CREATE FUNCTION discount_of(p_coupon text, p_total numeric) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce(p_total * discount / 100, least((off).value, p_total)) FROM coupons
    WHERE coupon = p_coupon AND valid @> now() AND coalesce(uses_left, 1) > 0
$$;
