CREATE MATERIALIZED VIEW leaders AS
SELECT a.account_id, a.handle, sum(k.weight) AS score
FROM post_reactions r
JOIN reaction_kinds k USING (kind)
JOIN posts p USING (post_id)
JOIN accounts a ON a.account_id = p.author_id
GROUP BY a.account_id, a.handle
WITH NO DATA;
CREATE UNIQUE INDEX leaders_once ON leaders (account_id);
CREATE INDEX ON leaders (score DESC);
