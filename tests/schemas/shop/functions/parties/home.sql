CREATE FUNCTION setting(p_key text) RETURNS jsonb LANGUAGE sql STABLE AS $$ SELECT value FROM settings WHERE key = p_key $$;
CREATE FUNCTION setting(p_key text, p_default text) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT coalesce(setting(p_key) #>> '{}', p_default) $$;
CREATE FUNCTION home_country() RETURNS country_code LANGUAGE sql STABLE AS $$ SELECT setting('country', 'DE')::country_code $$;
