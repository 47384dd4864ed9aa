CREATE VIEW moderation_queue AS
SELECT f.post_id, max(r.severity) AS severity, array_agg(DISTINCT f.reason) AS reasons, min(f.raised_at) AS since,
       points_of(p.author_id) AS author_points
FROM flags f
JOIN flag_reasons r USING (reason)
JOIN posts p USING (post_id)
WHERE f.state IN ('open', 'can''t decide')
GROUP BY f.post_id, p.author_id;
