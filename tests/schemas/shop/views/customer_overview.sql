CREATE VIEW customer_overview AS
SELECT c.customer_id, c.number, c.name, may_order(c) AS may_order, owes(c.customer_id) AS owes,
       (SELECT count(*) FROM orders o WHERE o.customer_id = c.customer_id) AS orders
FROM customers c;
