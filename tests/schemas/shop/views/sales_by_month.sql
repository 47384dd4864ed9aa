CREATE MATERIALIZED VIEW sales_by_month AS
SELECT date_trunc('month', o.placed_on)::date AS month, p.category_id, o.currency, sum(l.total) AS gross, count(DISTINCT o.order_id) AS orders
FROM orders o JOIN order_lines l USING (order_id, placed_on) JOIN variants v USING (sku) JOIN products p USING (product_id)
WHERE o.state <> 'cancelled'
GROUP BY 1, 2, 3;
CREATE UNIQUE INDEX sales_by_month_key ON sales_by_month (month, category_id, currency);
CREATE VIEW best_months AS SELECT month, sum(gross) AS gross FROM sales_by_month GROUP BY month ORDER BY 2 DESC LIMIT 12;
