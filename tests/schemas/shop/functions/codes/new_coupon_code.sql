CREATE FUNCTION new_coupon_code(p_length integer DEFAULT 8) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT string_agg(substr('ACDEFGHJKLMNPQRTUVWXY34679', 1 + floor(random() * 25)::int, 1), '') FROM generate_series(1, p_length)
$$;
