CREATE VIEW open_invoices AS
SELECT i.invoice_id, i.number, o.customer_id, i.due_on, t.gross - paid_for(o.order_id) AS open,
       i.due_on < CURRENT_DATE AS overdue
FROM invoices i
JOIN orders o USING (order_id, placed_on)
JOIN order_totals t USING (order_id, placed_on)
WHERE i.state <> 'void' AND t.gross > paid_for(o.order_id);
