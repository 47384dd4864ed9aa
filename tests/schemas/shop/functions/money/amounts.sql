CREATE FUNCTION amount(p_value numeric, p_currency text DEFAULT 'EUR') RETURNS amount LANGUAGE sql IMMUTABLE
AS $$ SELECT ROW(p_value, p_currency)::amount $$;

CREATE FUNCTION add(a amount, b amount) RETURNS amount LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF a.currency <> b.currency THEN
        RAISE EXCEPTION '% and % cannot be added', a.currency, b.currency USING ERRCODE = 'data_exception';
    END IF;
    RETURN amount(a.value + b.value, a.currency);
END $$;
CREATE FUNCTION negative(a amount) RETURNS amount LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT amount(-a.value, a.currency) $$;
CREATE FUNCTION times(a amount, b numeric) RETURNS amount LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT amount(a.value * b, a.currency) $$;
CREATE FUNCTION less(a amount, b amount) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT a.currency = b.currency AND a.value < b.value $$;

CREATE OPERATOR + (LEFTARG = amount, RIGHTARG = amount, FUNCTION = add, COMMUTATOR = +);
CREATE OPERATOR - (RIGHTARG = amount, FUNCTION = negative);
CREATE OPERATOR * (LEFTARG = amount, RIGHTARG = numeric, FUNCTION = times);
CREATE AGGREGATE sum(amount) (SFUNC = add, STYPE = amount);
