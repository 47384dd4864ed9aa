CREATE FUNCTION tax_rate(p_country country_code, p_class text, p_day date DEFAULT CURRENT_DATE) RETURNS percentage
LANGUAGE sql STABLE AS $$
    SELECT rate FROM tax_rates WHERE country = p_country AND tax_class = p_class AND valid @> p_day
$$;
CREATE FUNCTION net_of(p_gross numeric, p_rate percentage) RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN round(p_gross / (1 + p_rate / 100), 2);
CREATE FUNCTION net_of(p_line order_lines) RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN net_of(p_line.total, p_line.tax_rate);
CREATE FUNCTION tax_lines(p_order_id bigint) RETURNS tax_line[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(ROW(rate, amount(net, currency), amount(tax, currency))::tax_line ORDER BY rate)
    FROM order_taxes WHERE order_id = p_order_id
$$;
