ALTER TABLE attachments ADD COLUMN company_id integer REFERENCES companies DEFAULT current_company();
