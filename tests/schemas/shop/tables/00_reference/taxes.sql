CREATE TABLE tax_classes (tax_class text PRIMARY KEY);
CREATE TABLE tax_rates (
    country   country_code NOT NULL REFERENCES countries,
    tax_class text NOT NULL REFERENCES tax_classes ON UPDATE CASCADE,
    valid     daterange NOT NULL DEFAULT daterange(NULL, NULL),
    rate      percentage NOT NULL,
    PRIMARY KEY (country, tax_class, valid)
);
