CREATE VIEW order_totals AS
SELECT order_id, placed_on, sum(net) AS net, sum(tax) AS tax, sum(net + tax) AS gross
FROM order_taxes GROUP BY order_id, placed_on;
