INSERT INTO hr.leave_kinds (name, paid, yearly) VALUES ('holiday', true, 30), ('sick', true, NULL), ('unpaid', false, NULL);
