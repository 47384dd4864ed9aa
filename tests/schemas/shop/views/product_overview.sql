CREATE VIEW product_overview AS
SELECT p.product_id, p.name, category_path(p.category_id) AS path, stars_of(p.product_id) AS stars,
       min(x.price) AS lowest_price, sum(available(v.sku)) AS available
FROM products p
LEFT JOIN variants v USING (product_id)
LEFT JOIN prices x ON x.sku = v.sku AND x.price_list = 'retail'
WHERE p.active @> CURRENT_DATE
GROUP BY p.product_id;
