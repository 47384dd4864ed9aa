-- Everything that is kept in step by a trigger, on one page.
CREATE TRIGGER spaces_path BEFORE INSERT OR UPDATE OF parent_id, slug ON spaces
    FOR EACH ROW EXECUTE FUNCTION keep_space_path();
CREATE TRIGGER posts_number BEFORE INSERT ON posts
    FOR EACH ROW WHEN (NEW.number IS NULL) EXECUTE FUNCTION number_post();
CREATE TRIGGER posts_counted AFTER INSERT OR DELETE ON posts
    FOR EACH ROW EXECUTE FUNCTION count_post();
CREATE TRIGGER posts_revision BEFORE UPDATE OF body ON posts
    FOR EACH ROW WHEN (OLD.body IS DISTINCT FROM NEW.body) EXECUTE FUNCTION keep_revision();
CREATE TRIGGER posts_mentions AFTER INSERT OR UPDATE OF body ON posts
    FOR EACH ROW EXECUTE FUNCTION find_mentions();
CREATE TRIGGER reactions_noticed AFTER INSERT ON post_reactions
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION notice_reactions();
CREATE TRIGGER tags_counted AFTER INSERT OR DELETE ON thread_tags
    FOR EACH ROW EXECUTE FUNCTION count_tag();
CREATE CONSTRAINT TRIGGER thread_has_posts AFTER INSERT ON threads
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION thread_must_have_posts();
CREATE TRIGGER settings_touched BEFORE UPDATE ON settings
    FOR EACH ROW EXECUTE PROCEDURE touch_changed_at();
