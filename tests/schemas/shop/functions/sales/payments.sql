CREATE FUNCTION refund_fits(p_payment_id bigint, p_returned amount) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT (paid).currency = p_returned.currency AND (paid).value >= p_returned.value
            FROM payments WHERE payment_id = p_payment_id);
END $$;
CREATE FUNCTION paid_for(p_order_id bigint) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum((paid).value), 0) FROM payments WHERE order_id = p_order_id AND booked_at IS NOT NULL
$$;
CREATE FUNCTION pay(p_order_id bigint, p_method payment_method, p_paid amount) RETURNS order_state LANGUAGE plpgsql AS $$
DECLARE
    v_order orders;
BEGIN
    SELECT * INTO STRICT v_order FROM orders WHERE order_id = p_order_id;
    INSERT INTO payments (order_id, placed_on, method, paid, booked_at)
    VALUES (v_order.order_id, v_order.placed_on, p_method, p_paid, now());
    IF paid_for(p_order_id) >= v_order.gross THEN
        UPDATE orders SET state = 'paid' WHERE order_id = p_order_id RETURNING * INTO v_order;
    END IF;
    RETURN v_order.state;
END $$;
