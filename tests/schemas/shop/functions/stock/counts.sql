CREATE FUNCTION start_count(p_warehouse text, p_employee_id integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_id integer;
BEGIN
    INSERT INTO stock_counts (warehouse, started_by) VALUES (p_warehouse, p_employee_id) RETURNING count_id INTO v_id;
    INSERT INTO stock_count_lines (count_id, bin, sku, expected)
    SELECT v_id, bin, sku, sum(on_hand) FROM stock_levels WHERE warehouse = p_warehouse GROUP BY bin, sku;
    RETURN v_id;
END $$;
CREATE FUNCTION count_difference(l stock_count_lines) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN l.counted - l.expected;
