BEGIN;
UPDATE variants SET size.weight_g = (size).weight_g * 1000 WHERE (size).weight_g < 10;
COMMIT;
