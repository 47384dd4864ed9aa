/* The stages became a table. */
CREATE TABLE hr.stages (id serial PRIMARY KEY, name text NOT NULL UNIQUE, sort integer NOT NULL DEFAULT 10);
INSERT INTO hr.stages (name) SELECT DISTINCT stage FROM hr.applicants UNION SELECT 'new';
ALTER TABLE hr.applicants ADD COLUMN stage_id integer REFERENCES hr.stages;
UPDATE hr.applicants a SET stage_id = s.id FROM hr.stages s WHERE s.name = a.stage;
ALTER TABLE hr.applicants DROP COLUMN stage;
