CREATE FUNCTION shipping_price(p_country country_code, p_weight_g numeric, p_carrier text DEFAULT NULL)
RETURNS TABLE (carrier text, price amount) LANGUAGE sql STABLE AS $$
    SELECT z.carrier, z.price + amount(z.per_kg * p_weight_g / 1000, (z.price).currency)
    FROM carrier_zones z WHERE z.country = p_country AND (p_carrier IS NULL OR z.carrier = p_carrier)
    ORDER BY (z.price).value
$$;
CREATE FUNCTION ship(p_order_id bigint, p_warehouse text, p_carrier text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
BEGIN
    INSERT INTO shipments (order_id, placed_on, carrier, warehouse, sent_at)
    SELECT order_id, placed_on, p_carrier, p_warehouse, now() FROM orders WHERE order_id = p_order_id
    RETURNING shipment_id INTO v_id;
    INSERT INTO shipment_lines
    SELECT v_id, order_id, placed_on, line, amount FROM order_lines WHERE order_id = p_order_id;
    UPDATE orders SET state = 'shipped' WHERE order_id = p_order_id;
    RETURN v_id;
END $$;
