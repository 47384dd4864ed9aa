ALTER TABLE notes ADD COLUMN changed_at timestamptz;
CREATE TRIGGER notes_touched BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION touch_changed_at();
