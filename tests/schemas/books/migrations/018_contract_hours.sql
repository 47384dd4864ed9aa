ALTER TABLE hr.contracts ADD COLUMN hours numeric(4, 1) NOT NULL DEFAULT 40;
ALTER TABLE hr.contracts ALTER COLUMN hours DROP DEFAULT;
COMMENT ON COLUMN hr.contracts.hours IS 'a week';
