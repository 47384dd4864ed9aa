CREATE TYPE account_state AS ENUM ('invited', 'active', 'suspended', 'closed');
