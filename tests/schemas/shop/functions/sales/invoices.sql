CREATE FUNCTION invoice(p_order_id bigint) RETURNS invoices LANGUAGE plpgsql AS $$
DECLARE
    v_invoice invoices;
BEGIN
    INSERT INTO invoices (order_id, placed_on, due_on, bill_to, taxes, period_id)
    SELECT o.order_id, o.placed_on, CURRENT_DATE + t.due, coalesce(c.invoice_to, o.ship_to), tax_lines(o.order_id),
           period_of(CURRENT_DATE)
    FROM orders o JOIN customers c USING (customer_id) JOIN payment_terms t USING (term)
    WHERE o.order_id = p_order_id
    RETURNING * INTO v_invoice;
    INSERT INTO invoice_lines
    SELECT v_invoice.invoice_id, l.line, l.sku, l.amount, amount(l.price, o.currency)
    FROM order_lines l JOIN orders o USING (order_id, placed_on) WHERE l.order_id = p_order_id;
    RETURN v_invoice;
END $$;
