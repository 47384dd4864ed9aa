CREATE FUNCTION hr.hire(p_company integer, p_name text, p_wage numeric, p_from date DEFAULT CURRENT_DATE) RETURNS hr.employees
LANGUAGE plpgsql AS $$
DECLARE
    v_employee hr.employees;
BEGIN
    INSERT INTO hr.employees (company_id, name) VALUES (p_company, p_name) RETURNING * INTO v_employee;
    INSERT INTO hr.contracts (employee_id, days, wage, hours)
    VALUES (v_employee.id, daterange(p_from, NULL), p_wage, 40);
    RETURN v_employee;
END $$;
CREATE FUNCTION hr.wage_on(p_employee integer, p_day date) RETURNS numeric LANGUAGE sql STABLE
AS $$ SELECT wage FROM hr.contracts WHERE employee_id = p_employee AND days @> p_day $$;
CREATE FUNCTION hr.ask_for_leave(p_employee integer, p_kind text, p_from date, p_to date) RETURNS hr.leave_state
LANGUAGE plpgsql AS $$
BEGIN
    IF hr.leaves_overlap(p_employee, daterange(p_from, p_to, '[]')) THEN
        RAISE EXCEPTION 'there is a leave already' USING ERRCODE = 'PT409';
    END IF;
    INSERT INTO hr.leaves (employee_id, kind_id, days)
    SELECT p_employee, id, daterange(p_from, p_to, '[]') FROM hr.leave_kinds WHERE name = p_kind;
    RETURN 'requested';
END $$;
CREATE FUNCTION hr.leave_left(p_employee integer, p_kind text, p_year integer) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce(g.days, k.yearly) - coalesce((
        SELECT sum(hr.working_days(l.days * daterange(make_date(p_year, 1, 1), make_date(p_year + 1, 1, 1)), p.country_id))
        FROM hr.leaves l
        JOIN hr.employees e ON e.id = l.employee_id
        LEFT JOIN partners p ON p.id = e.partner_id
        WHERE l.employee_id = p_employee AND l.kind_id = k.id AND l.state IN ('approved', 'taken')), 0)
    FROM hr.leave_kinds k
    LEFT JOIN hr.leave_grants g ON g.kind_id = k.id AND g.employee_id = p_employee AND g.year = p_year
    WHERE k.name = p_kind
$$;
