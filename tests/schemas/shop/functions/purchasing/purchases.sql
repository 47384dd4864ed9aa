CREATE FUNCTION to_order() RETURNS TABLE (supplier_id integer, sku sku, amount numeric) LANGUAGE sql STABLE AS $$
    SELECT DISTINCT ON (s.sku) p.supplier_id, s.sku, greatest(s.short, p.minimum)
    FROM short_stock s JOIN supplier_prices p USING (sku)
    ORDER BY s.sku, (p.price).value
$$;
CREATE FUNCTION order_short_stock(p_employee_id integer) RETURNS SETOF purchase_orders LANGUAGE plpgsql AS $$
DECLARE
    v_supplier integer;
    v_purchase purchase_orders;
BEGIN
    FOR v_supplier IN SELECT DISTINCT t.supplier_id FROM to_order() t LOOP
        INSERT INTO purchase_orders (supplier_id, ordered_by) VALUES (v_supplier, p_employee_id) RETURNING * INTO v_purchase;
        INSERT INTO purchase_lines (purchase_id, line, sku, amount, price)
        SELECT v_purchase.purchase_id, row_number() OVER (ORDER BY t.sku), t.sku, t.amount, p.price
        FROM to_order() t JOIN supplier_prices p USING (supplier_id, sku) WHERE t.supplier_id = v_supplier;
        RETURN NEXT v_purchase;
    END LOOP;
END $$;
