-- Totals follow the lines; the states follow each other.
CREATE FUNCTION total_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE orders o SET net = t.net, tax = t.gross - t.net
    FROM (SELECT sum(net_of(l)) AS net, sum(l.total) AS gross FROM order_lines l
          WHERE l.order_id = coalesce(NEW.order_id, OLD.order_id)) t
    WHERE o.order_id = coalesce(NEW.order_id, OLD.order_id);
    RETURN NULL;
END $$;
CREATE TRIGGER totals AFTER INSERT OR UPDATE OR DELETE ON order_lines FOR EACH ROW EXECUTE FUNCTION total_order();

CREATE FUNCTION may_follow(p_was order_state, p_becomes order_state) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_becomes > p_was OR p_was IS NULL
$$;
CREATE FUNCTION check_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT may_follow(OLD.state, NEW.state) THEN
        RAISE EXCEPTION 'an order that is % does not become %', OLD.state, NEW.state;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER state_follows BEFORE UPDATE OF state ON orders
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION check_state();
CREATE FUNCTION note_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO order_events (order_id, placed_on, was, became) VALUES (NEW.order_id, NEW.placed_on, OLD.state, NEW.state);
    RETURN NULL;
END $$;
CREATE TRIGGER state_noted AFTER UPDATE OF state ON orders FOR EACH ROW EXECUTE FUNCTION note_state();

CREATE FUNCTION order_json(p_order_id bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT to_jsonb(o) || jsonb_build_object(
        'lines', (SELECT jsonb_agg(to_jsonb(l) ORDER BY line) FROM order_lines l WHERE l.order_id = o.order_id),
        'taxes', to_jsonb(tax_lines(o.order_id)))
    FROM orders o WHERE o.order_id = p_order_id
$$;
CREATE PROCEDURE cancel_order(p_order_id bigint, INOUT released integer DEFAULT 0) LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM reservations WHERE order_id = p_order_id;
    GET DIAGNOSTICS released = ROW_COUNT;
    UPDATE orders SET state = 'cancelled' WHERE order_id = p_order_id;
END $$;
