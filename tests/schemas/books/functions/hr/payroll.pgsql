CREATE FUNCTION hr.pay_month(p_company integer, p_month date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_sum numeric;
    v_count integer;
BEGIN
    WITH made AS (
        INSERT INTO hr.payslips (employee_id, contract_id, month)
        SELECT c.employee_id, c.id, p_month
        FROM hr.contracts c JOIN hr.employees e ON e.id = c.employee_id
        WHERE e.company_id = p_company AND c.days @> p_month
        ON CONFLICT DO NOTHING
        RETURNING contract_id
    )
    SELECT count(*), sum(c.wage) INTO v_count, v_sum FROM made JOIN hr.contracts c ON c.id = made.contract_id;
    IF v_count > 0 THEN
        PERFORM books.book(p_company, '6000', '1200', v_sum);
    END IF;
    RETURN v_count;
END $$;
