INSERT INTO badges (badge_id, name, icon, rank, needs) VALUES
    (3, 'Sage', '🦉', 3, 2),
    (2, 'Regular', '☕', 2, 1),
    (1, 'First post', DEFAULT, 1, NULL);
