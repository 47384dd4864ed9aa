CREATE VIEW short_stock AS
SELECT sku, wanted - available(sku) AS short
FROM (SELECT sku, sum(amount) AS wanted FROM open_order_lines GROUP BY sku) w
WHERE wanted > available(sku);
