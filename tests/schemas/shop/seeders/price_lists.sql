INSERT INTO price_lists (price_list, currency, base, factor, gross) VALUES
    ('staff', 'EUR', 'retail', 0.8, true),
    ('retail', 'EUR', NULL, 1, true),
    ('trade', 'EUR', 'retail', 0.7, false);
INSERT INTO customer_groups (group_id, name, price_list, discount) VALUES (1, 'Staff', 'staff', 0), (2, 'Trade', 'trade', 2.5);
