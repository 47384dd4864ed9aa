DROP TABLE IF EXISTS cash_desk_buffer;
DROP VIEW IF EXISTS "Cash Desk";
