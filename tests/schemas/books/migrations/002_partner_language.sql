ALTER TABLE partners ADD COLUMN language char(2) DEFAULT 'en' NOT NULL;
