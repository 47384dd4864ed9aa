CREATE FUNCTION search_text(VARIADIC p_parts text[]) RETURNS text LANGUAGE sql IMMUTABLE
AS $$ SELECT lower(string_agg(part, ' ')) FROM unnest(p_parts) part WHERE part <> '' $$;
