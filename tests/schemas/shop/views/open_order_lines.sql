CREATE VIEW open_order_lines AS
SELECT l.* FROM order_lines l JOIN orders o USING (order_id, placed_on) WHERE o.state IN ('placed', 'paid', 'packed');
