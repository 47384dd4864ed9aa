CREATE FUNCTION period_of(p_day date) RETURNS integer LANGUAGE sql STABLE
AS $$ SELECT period_id FROM fiscal_periods WHERE days @> p_day $$;
CREATE FUNCTION period_takes(p_period_id integer, p_day date) RETURNS boolean LANGUAGE sql STABLE
AS $$ SELECT days @> p_day AND closed_by IS NULL FROM fiscal_periods WHERE period_id = p_period_id $$;
CREATE FUNCTION entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(CASE side WHEN 'D' THEN value ELSE -value END) FROM journal_lines WHERE entry_id = NEW.entry_id) <> 0 THEN
        RAISE EXCEPTION 'entry % does not balance', NEW.entry_id;
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER balances AFTER INSERT OR UPDATE ON journal_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION entry_balances();
