CREATE VIEW order_taxes AS
SELECT l.order_id, l.placed_on, o.currency, l.tax_rate AS rate, sum(net_of(l)) AS net, sum(l.total - net_of(l)) AS tax
FROM order_lines l JOIN orders o USING (order_id, placed_on)
GROUP BY l.order_id, l.placed_on, o.currency, l.tax_rate;
