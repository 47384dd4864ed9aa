INSERT INTO payment_terms (term, due, discount, discount_within) VALUES
    ('immediately', '0 days', 0, NULL),
    ('30 days, 2 % within 10', '30 days', 2, '10 days');
