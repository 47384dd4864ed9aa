INSERT INTO tax_rates (country, tax_class, rate) VALUES ('DE', 'standard', 19), ('DE', 'reduced', 7), ('CH', 'standard', 8.1);
INSERT INTO tax_classes VALUES ('standard'), ('reduced');
