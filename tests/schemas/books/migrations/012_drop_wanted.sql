ALTER TABLE hr.jobs DROP COLUMN wanted;
