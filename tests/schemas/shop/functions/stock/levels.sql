CREATE FUNCTION allows_negative(p_warehouse text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((setting('negative stock') ? p_warehouse), false);
END $$;
CREATE FUNCTION available(p_sku sku) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(available), 0) FROM stock_levels JOIN warehouses USING (warehouse) WHERE sku = p_sku AND sells
$$;
CREATE FUNCTION available(p_sku sku, p_warehouse text) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(available), 0) FROM stock_levels WHERE sku = p_sku AND warehouse = p_warehouse
$$;
CREATE FUNCTION bin_name(b bins) RETURNS text LANGUAGE sql IMMUTABLE RETURN b.warehouse || '/' || b.bin;
CREATE FUNCTION reservation_time() RETURNS interval LANGUAGE sql STABLE RETURN setting('reservation', '2 hours')::interval;
