CREATE VIEW active_threads AS
SELECT s.* FROM thread_summaries s WHERE s.active_at > now() - interval '7 days' AND NOT s.closed;
