CREATE FUNCTION has_bought(p_customer_id bigint, p_product_id bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM order_lines JOIN orders USING (order_id, placed_on) JOIN variants USING (sku)
                   WHERE customer_id = p_customer_id AND product_id = p_product_id);
END $$;
CREATE FUNCTION stars_of(p_product_id bigint) RETURNS numeric LANGUAGE sql STABLE
AS $$ SELECT round(avg(stars), 1) FROM reviews WHERE product_id = p_product_id $$;
