-- An amount never travels without its currency.
CREATE TYPE amount AS (value numeric(14, 4), currency currency_code);
CREATE TYPE tax_line AS (rate percentage, net amount, tax amount);
