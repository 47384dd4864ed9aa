-- Two lines in one call; longer ones come as JSON.
CREATE FUNCTION books.book(p_company integer, p_debit text, p_credit text, p_amount numeric) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_move bigint;
BEGIN
    INSERT INTO books.moves (company_id, journal_id)
    SELECT p_company, id FROM books.journals WHERE company_id = p_company AND code = 'GEN'
    RETURNING id INTO v_move;
    INSERT INTO books.move_lines (move_id, account_id, debit, credit)
    VALUES (v_move, books.account(p_company, p_debit), p_amount, 0),
           (v_move, books.account(p_company, p_credit), 0, p_amount);
    CALL books.post(v_move);
    RETURN v_move;
END $$;
CREATE FUNCTION books.book(p_company integer, p_lines jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_move bigint;
BEGIN
    INSERT INTO books.moves (company_id, journal_id)
    SELECT p_company, id FROM books.journals WHERE company_id = p_company AND code = 'GEN'
    RETURNING id INTO v_move;
    INSERT INTO books.move_lines (move_id, account_id, debit, credit)
    SELECT v_move, books.account(p_company, l.account), coalesce(l.debit, 0), coalesce(l.credit, 0)
    FROM jsonb_to_recordset(p_lines) AS l (account text, debit numeric, credit numeric);
    CALL books.post(v_move);
    RETURN v_move;
END $$;
CREATE FUNCTION books.reverse(p_move bigint) RETURNS bigint LANGUAGE sql AS $$
    WITH reversed AS (
        INSERT INTO books.moves (company_id, journal_id, reversed_id, narration)
        SELECT company_id, journal_id, id, 'reverses ' || name FROM books.moves WHERE id = p_move RETURNING id
    ), lines AS (
        INSERT INTO books.move_lines (move_id, account_id, partner_id, debit, credit)
        SELECT r.id, l.account_id, l.partner_id, l.credit, l.debit FROM books.move_lines l, reversed r WHERE l.move_id = p_move
    )
    SELECT id FROM reversed
$$;
