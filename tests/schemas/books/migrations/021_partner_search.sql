ALTER TABLE partners ADD COLUMN words tsvector
    GENERATED ALWAYS AS (to_tsvector('simple', name || ' ' || coalesce(city, ''))) STORED;
CREATE INDEX partners_words ON partners USING gin (words);
