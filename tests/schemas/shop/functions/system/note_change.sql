CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    v_row jsonb := to_jsonb(coalesce(NEW, OLD));
BEGIN
    INSERT INTO audit_log (relation, action, key, change)
    SELECT TG_TABLE_NAME, left(TG_OP, 1)::"char", jsonb_object_agg(k, v_row -> k),
           CASE TG_OP WHEN 'UPDATE' THEN changed_only(to_jsonb(OLD), to_jsonb(NEW)) END
    FROM unnest(TG_ARGV) k;
    RETURN NULL;
END $$;
CREATE FUNCTION changed_only(p_was jsonb, p_is jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_object_agg(key, value) FROM jsonb_each(p_is) WHERE p_was -> key IS DISTINCT FROM value
$$;
