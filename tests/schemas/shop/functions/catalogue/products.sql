CREATE FUNCTION volume_of(d dimensions) RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN d.length_mm::numeric * d.width_mm * d.height_mm / 1000;

CREATE FUNCTION category_path(p_category_id integer) RETURNS text[] LANGUAGE sql STABLE AS $$
    WITH RECURSIVE up AS (
        SELECT category_id, parent_id, ARRAY[name] AS path FROM categories WHERE category_id = p_category_id
        UNION ALL
        SELECT c.category_id, c.parent_id, c.name || up.path FROM categories c JOIN up ON c.category_id = up.parent_id
    )
    SELECT path FROM up WHERE parent_id IS NULL
$$;
CREATE FUNCTION search_products(p_query text, p_category integer DEFAULT NULL, p_limit integer DEFAULT 24)
RETURNS TABLE (product_id bigint, name text, price numeric, stars numeric) LANGUAGE sql STABLE AS $$
    SELECT o.product_id, o.name, o.lowest_price, o.stars
    FROM product_overview o JOIN products p USING (product_id)
    WHERE p.document @@ plainto_tsquery('simple', p_query)
      AND (p_category IS NULL OR p.category_id IN (SELECT below(p_category)))
    ORDER BY ts_rank(p.document, plainto_tsquery('simple', p_query)) DESC, 1
    LIMIT p_limit
$$;
CREATE FUNCTION below(p_category_id integer) RETURNS SETOF integer LANGUAGE sql STABLE AS $$
    WITH RECURSIVE down AS (
        SELECT p_category_id AS id
        UNION SELECT c.category_id FROM categories c JOIN down ON c.parent_id = down.id
    )
    SELECT id FROM down
$$;
CREATE FUNCTION product_json(p_product_id bigint, p_language text DEFAULT 'en') RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'id', p.product_id,
        'name', coalesce(t.title, p.name),
        'path', category_path(p.category_id),
        'variants', (SELECT json_agg(json_build_object('sku', v.sku, 'available', available(v.sku),
                            'options', (SELECT json_object_agg("Option", "Value") FROM variant_options o WHERE o.sku = v.sku)))
                     FROM variants v WHERE v.product_id = p.product_id))
    FROM products p LEFT JOIN product_texts t ON t.product_id = p.product_id AND t.language = p_language
    WHERE p.product_id = p_product_id
$$;
