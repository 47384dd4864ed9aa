CREATE OR REPLACE VIEW thread_summaries AS
SELECT t.thread_id, t.space_id, t.title, t.slug, t.reply_count, thread_is_closed(t) AS closed,
       coalesce(t.pinned_until > now(), false) AS pinned,
       author.handle AS author,
       last.posted_at AS active_at,
       last_author.handle AS last_author,
       ARRAY(SELECT tag FROM thread_tags g WHERE g.thread_id = t.thread_id ORDER BY tag) AS tags
FROM threads t
JOIN accounts author ON author.account_id = t.author_id
LEFT JOIN posts last ON last.post_id = t.last_post_id
LEFT JOIN accounts last_author ON last_author.account_id = last.author_id;
