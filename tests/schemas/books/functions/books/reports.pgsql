CREATE FUNCTION books.trial_balance_json(p_company integer) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(code, balance ORDER BY code), '{}') FROM books.trial_balance WHERE company_id = p_company
$$;
CREATE FUNCTION books.profit(p_company integer, p_year integer) RETURNS numeric LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT -coalesce(sum(l.balance), 0)
    FROM books.move_lines l
    JOIN books.moves m ON m.id = l.move_id
    JOIN books.accounts a ON a.id = l.account_id
    WHERE m.company_id = p_company AND m.state = 'posted' AND a.kind IN ('income', 'expense')
      AND EXTRACT(year FROM m.day) = p_year;
END;
CREATE FUNCTION books.total_of(p_invoice bigint) RETURNS books.line_total LANGUAGE sql STABLE AS $$
    SELECT books.sum(books.line_total(l)) FROM books.invoice_lines l WHERE l.invoice_id = p_invoice
$$;
CREATE FUNCTION books.reminders_of(p_days integer DEFAULT 30) RETURNS SETOF books.reminders LANGUAGE sql STABLE
AS $$ SELECT * FROM books.reminders WHERE days_late >= p_days ORDER BY owed DESC $$;
