CREATE FUNCTION vat_id_fits(p_vat_id text, p_country country_code) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN starts_with(p_vat_id, p_country::text) AND length(p_vat_id) BETWEEN 8 AND 14;
