INSERT INTO warehouses (warehouse, address) VALUES ('BER', ROW('Lager Nord', 'Hafenstraße', '1a', '13353', 'Berlin', 'DE'));
INSERT INTO bins (warehouse, bin) VALUES ('BER', 'A-01'), ('BER', 'A-02');
