CREATE INDEX IF NOT EXISTS products_by_brand ON products (brand);
