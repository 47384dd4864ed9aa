ALTER TABLE users ADD COLUMN settings jsonb NOT NULL DEFAULT '{"theme": "light; dark", "rows": 50}';
