-- Thirteen digits, the last of which follows from the others.
CREATE FUNCTION ean_check_digit(p_ean text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT (10 - sum(substr(p_ean, i, 1)::int * CASE WHEN i % 2 = 0 THEN 3 ELSE 1 END) % 10)::int % 10
    FROM generate_series(1, 12) i
$$;
CREATE FUNCTION ean_is_valid(p_ean text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_ean IS NULL OR (p_ean ~ '^[0-9]{13}$' AND ean_check_digit(p_ean) = right(p_ean, 1)::int)
$$;
