-- Before this table had seeders.
INSERT INTO settings (key, value) VALUES ('country', '"DE"') ON CONFLICT (key) DO NOTHING;
