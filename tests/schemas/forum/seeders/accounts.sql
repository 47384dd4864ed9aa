INSERT INTO accounts (account_id, handle, display_name, state, level) VALUES
    (1, 'system', 'The system', 'active', 4);
