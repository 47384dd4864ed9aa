CREATE FUNCTION announce(p_event text, p_body jsonb) RETURNS integer LANGUAGE sql AS $$
    WITH sent AS (
        INSERT INTO webhook_deliveries (webhook_id, body)
        SELECT webhook_id, json_build_object('event', p_event, 'data', p_body) FROM webhooks
        WHERE p_event = ANY (events) OR '*' = ANY (events)
        RETURNING 1
    )
    SELECT count(*)::integer FROM sent
$$;
CREATE FUNCTION announce_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM announce('order.' || NEW.state, to_jsonb(NEW));
    RETURN NULL;
END $$;
CREATE TRIGGER announced AFTER UPDATE OF state ON orders FOR EACH ROW EXECUTE FUNCTION announce_order();
