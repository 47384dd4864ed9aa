CREATE TABLE option_kinds ("Option" text PRIMARY KEY, "Sort Order" smallint);
CREATE TABLE option_values (
    "Option" text REFERENCES option_kinds,
    "Value"  text,
    PRIMARY KEY ("Option", "Value")
);
CREATE TABLE variant_options (
    sku      sku REFERENCES variants ON DELETE CASCADE,
    "Option" text,
    "Value"  text NOT NULL,
    PRIMARY KEY (sku, "Option"),
    CONSTRAINT "a known value" FOREIGN KEY ("Option", "Value") REFERENCES option_values ON UPDATE CASCADE
);
