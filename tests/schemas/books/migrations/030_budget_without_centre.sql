ALTER TABLE books.budgets ADD CONSTRAINT budget_of_something CHECK (num_nonnulls(centre_id, account_id) >= 1);
