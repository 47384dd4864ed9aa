INSERT INTO hr.public_holidays (country_id, day, name)
SELECT id, date '2025-01-01', 'New Year' FROM countries;
