CREATE FUNCTION is_sku(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 ~ '^[A-Z]{2}-[0-9]{4,8}(-[A-Z0-9]+)*$' $$;
