CREATE FUNCTION hr.leaves_overlap(p_employee integer, p_days daterange) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM hr.leaves WHERE employee_id = p_employee AND days && p_days AND state <> 'refused')
$$;
