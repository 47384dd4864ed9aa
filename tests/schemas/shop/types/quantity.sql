CREATE DOMAIN quantity AS numeric(12, 3);
CREATE DOMAIN positive_quantity AS quantity CHECK (VALUE > 0);
