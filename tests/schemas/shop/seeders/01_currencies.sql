INSERT INTO currencies (code, name, decimals) VALUES ('EUR', 'Euro', 2), ('JPY', 'Yen', 0), ('CHF', 'Schweizer Franken', 2);
INSERT INTO exchange_rates (currency, day, per_euro) VALUES ('EUR', '2000-01-01', 1), ('JPY', '2024-01-01', 155.5), ('CHF', '2024-01-01', 0.93);
