CREATE VIEW trial_balance AS SELECT a.account, a.name, balance_of(a) AS balance FROM ledger_accounts a;
