INSERT INTO currencies (code, symbol, decimals) VALUES ('EUR', '€', 2), ('CHF', 'Fr.', 2), ('JPY', '¥', 0);
INSERT INTO countries (code, name, currency_id)
SELECT v.code, v.name, c.id
FROM (VALUES ('DE', 'Germany', 'EUR'), ('CH', 'Switzerland', 'CHF'), ('JP', 'Japan', 'JPY')) v (code, name, currency)
JOIN currencies c ON c.code = v.currency;
