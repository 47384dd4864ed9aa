CREATE TABLE product_texts (
    product_id bigint REFERENCES products ON DELETE CASCADE,
    language   char(2),
    title      text,
    body       text,
    PRIMARY KEY (product_id, language)
) PARTITION BY LIST (language);
CREATE TABLE product_texts_de PARTITION OF product_texts FOR VALUES IN ('de');
CREATE TABLE product_texts_en PARTITION OF product_texts FOR VALUES IN ('en');
CREATE TABLE product_texts_other PARTITION OF product_texts DEFAULT;
