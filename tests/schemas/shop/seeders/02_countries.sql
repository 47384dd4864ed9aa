INSERT INTO countries (code, name, currency, in_union) VALUES ('DE', 'Deutschland', 'EUR', true), ('CH', 'Schweiz', 'CHF', false);
