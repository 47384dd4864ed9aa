INSERT INTO departments (department_id, name, head_id) VALUES (1, 'Sales', NULL), (2, 'Stock', NULL);
