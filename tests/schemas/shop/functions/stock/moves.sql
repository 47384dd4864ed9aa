CREATE FUNCTION book_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF bin_name(NEW.from_bin) IS NOT NULL THEN
        PERFORM change_level(NEW.from_bin, NEW.sku, NEW.lot, -NEW.amount);
    END IF;
    IF bin_name(NEW.to_bin) IS NOT NULL THEN
        PERFORM change_level(NEW.to_bin, NEW.sku, NEW.lot, NEW.amount);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER booked AFTER INSERT ON stock_moves FOR EACH ROW EXECUTE FUNCTION book_move();

CREATE FUNCTION change_level(p_bin bins, p_sku sku, p_lot text, p_amount numeric) RETURNS void LANGUAGE sql AS $$
    INSERT INTO stock_levels AS l (warehouse, bin, sku, lot, on_hand)
    VALUES (p_bin.warehouse, p_bin.bin, p_sku, p_lot, p_amount)
    ON CONFLICT (warehouse, bin, sku, lot) DO UPDATE SET on_hand = l.on_hand + excluded.on_hand
$$;
CREATE FUNCTION receive(p_sku sku, p_warehouse text, p_bin text, p_amount numeric, p_lot text DEFAULT '') RETURNS bigint
LANGUAGE sql AS $$
    INSERT INTO stock_moves (kind, sku, lot, to_bin, amount)
    SELECT 'receipt', p_sku, p_lot, b, p_amount FROM bins b WHERE b.warehouse = p_warehouse AND b.bin = p_bin
    RETURNING move_id
$$;
CREATE FUNCTION stock_on(p_day date) RETURNS TABLE (sku sku, warehouse text, amount numeric) LANGUAGE sql STABLE AS $$
    SELECT m.sku, x.warehouse, sum(x.change)
    FROM stock_moves m
    CROSS JOIN LATERAL (VALUES ((m.from_bin).warehouse, -m.amount), ((m.to_bin).warehouse, m.amount)) x (warehouse, change)
    WHERE m.day <= p_day AND x.warehouse IS NOT NULL
    GROUP BY m.sku, x.warehouse
$$;
