INSERT INTO flag_reasons (reason, severity) VALUES ('spam', 3), ('rude', 2), ('off topic', 1), ('against the law', 5);
