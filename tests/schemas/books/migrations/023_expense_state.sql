ALTER TABLE hr.expenses ADD COLUMN state text NOT NULL DEFAULT 'draft';
ALTER TABLE hr.expenses ADD CONSTRAINT expenses_state CHECK (state IN ('draft', 'sent', 'approved', 'paid')) NOT VALID;
ALTER TABLE hr.expenses VALIDATE CONSTRAINT expenses_state;
