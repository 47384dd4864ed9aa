CREATE DOMAIN web_address AS text CHECK (VALUE IS NULL OR VALUE ~* '^https?://[^\s]+$');
