INSERT INTO spaces (space_id, parent_id, title, slug) VALUES
    (1, NULL, 'About', 'about'),
    (11, 1, 'Announcements', 'news'),
    (12, 1, 'Rules', 'rules');
INSERT INTO spaces (space_id, title, slug, visible_to, group_id) VALUES (2, 'Staff room', 'staff', 'staff', NULL);
