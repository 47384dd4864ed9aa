ALTER TABLE books.moves ADD reference text, ADD UNIQUE (journal_id, reference);
