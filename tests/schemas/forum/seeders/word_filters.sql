INSERT INTO word_filters (pattern, added_by) VALUES ('\mviagra\M', 1), ('free\s+money', 1);
