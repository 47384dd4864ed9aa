INSERT INTO categories (category_id, parent_id, name) VALUES (3, 2, 'Mugs'), (2, 1, 'Kitchen'), (1, NULL, 'House');
