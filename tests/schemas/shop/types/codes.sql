CREATE DOMAIN currency_code AS char(3) CHECK (VALUE ~ '^[A-Z]{3}$');
CREATE DOMAIN country_code AS char(2) CHECK (VALUE = upper(VALUE));
CREATE DOMAIN percentage AS numeric(6, 3) CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN sku AS text CHECK (is_sku(VALUE));
