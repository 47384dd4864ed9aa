CREATE FUNCTION round_to(p_amount amount) RETURNS amount LANGUAGE sql STABLE AS $$
    SELECT amount(round(p_amount.value, c.decimals), c.code) FROM currencies c WHERE c.code = p_amount.currency
$$;
CREATE FUNCTION round_to(p_value numeric, p_step numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN round(p_value / p_step) * p_step;
