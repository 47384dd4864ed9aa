-- For the letterhead.
ALTER TABLE companies
    ADD COLUMN colour char(7),
    ADD CONSTRAINT companies_colour CHECK (colour ~ '^#[0-9a-f]{6}$');
