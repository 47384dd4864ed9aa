CREATE SEQUENCE order_ids START 500000;

-- R-2024-000017: gapless, so it locks its row until the transaction ends.
CREATE FUNCTION next_number(p_series text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_last numbering.last%TYPE;
BEGIN
    INSERT INTO numbering AS n (series, year, last)
    VALUES (p_series, extract(year FROM CURRENT_DATE), 1)
    ON CONFLICT (series, year) DO UPDATE SET last = n.last + 1
    RETURNING last INTO v_last;
    RETURN format('%s-%s-%s', p_series, extract(year FROM CURRENT_DATE), lpad(v_last::text, 6, '0'));
END $$;
COMMENT ON FUNCTION next_number(text) IS 'one series a year; %-6s digits';
