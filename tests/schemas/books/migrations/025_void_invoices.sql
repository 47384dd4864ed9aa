DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT i.id FROM books.invoices i JOIN books.moves m ON m.id = i.move_id WHERE m.state = 'cancelled' LOOP
        UPDATE books.invoices SET state = 'void' WHERE id = r.id;
    END LOOP;
END
$$;
