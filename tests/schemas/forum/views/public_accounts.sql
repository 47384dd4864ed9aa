CREATE VIEW public_accounts AS
SELECT a.account_id, a.handle, a.display_name, a.level, a.joined_at, a.post_count,
       (p.about).html AS about,
       p.website,
       (SELECT count(*) FROM badge_awards b WHERE b.account_id = a.account_id) AS badges
FROM accounts a
LEFT JOIN profiles p USING (account_id)
WHERE a.state = 'active' AND NOT is_banned(a.account_id);
