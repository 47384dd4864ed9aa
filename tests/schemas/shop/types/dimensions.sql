CREATE TYPE dimensions AS (length_mm integer, width_mm integer, height_mm integer, weight_g integer);
