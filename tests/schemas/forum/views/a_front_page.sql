-- First by name, last by need.
CREATE VIEW front_page AS
SELECT sp.space_id, sp.title AS space, count(t.thread_id) AS active, max(t.active_at) AS latest
FROM spaces sp
LEFT JOIN active_threads t ON t.space_id = sp.space_id
WHERE may_see(sp, NULL)
GROUP BY sp.space_id, sp.title;
