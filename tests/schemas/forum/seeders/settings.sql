INSERT INTO settings (key, value) VALUES
    ('default locale', '"eo"'),
    ('title', '"It''s a forum; really"'),
    ('mail', '{"from": "forum@example.org", "footer": "-- \nsent by the forum"}');
