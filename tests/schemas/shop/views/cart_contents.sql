CREATE OR REPLACE VIEW cart_contents AS
SELECT c.cart_id, l.sku, p.name, l.amount, p.tax_class, price_of(l.sku, c.price_list, l.amount) AS price,
       available(l.sku) >= l.amount AS in_stock
FROM carts c JOIN cart_lines l USING (cart_id) JOIN variants v USING (sku) JOIN products p USING (product_id);
