ALTER TABLE partners ALTER COLUMN phone TYPE text;
