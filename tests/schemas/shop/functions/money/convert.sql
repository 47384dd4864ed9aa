CREATE FUNCTION rate_on(p_currency currency_code, p_day date) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT per_euro FROM exchange_rates WHERE currency = p_currency AND day <= p_day ORDER BY day DESC LIMIT 1
$$;
CREATE FUNCTION convert(p_amount amount, p_to currency_code, p_day date DEFAULT CURRENT_DATE) RETURNS amount
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_amount.currency = p_to THEN p_amount
           ELSE round_to(amount(p_amount.value / rate_on(p_amount.currency, p_day) * rate_on(p_to, p_day), p_to)) END
$$;
CREATE FUNCTION convert(p_value numeric, p_from currency_code, p_to currency_code) RETURNS numeric
LANGUAGE sql STABLE AS $$ SELECT (convert(amount(p_value, p_from), p_to)).value $$;
