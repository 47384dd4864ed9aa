CREATE FUNCTION balance_of(p_account text, p_day date DEFAULT 'infinity') RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(CASE WHEN (l.side = 'D') = a.debit THEN l.value ELSE -l.value END), 0)
    FROM ledger_accounts a LEFT JOIN (journal_lines l JOIN journal j ON j.entry_id = l.entry_id AND j.day <= p_day)
      ON l.account = a.account
    WHERE a.account = p_account
$$;
CREATE FUNCTION balance_of(a ledger_accounts) RETURNS numeric LANGUAGE sql STABLE AS $$ SELECT balance_of(a.account) $$;
