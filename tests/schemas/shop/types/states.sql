CREATE TYPE order_state AS ENUM ('draft', 'placed', 'paid', 'packed', 'shipped', 'done', 'cancelled');
CREATE TYPE document_state AS ENUM ('open', 'posted', 'void');
CREATE TYPE move_kind AS ENUM ('receipt', 'issue', 'transfer', 'count', 'return');
CREATE TYPE payment_method AS ENUM ('card', 'transfer', 'direct debit', 'gift card', 'cash');
CREATE TYPE "Channel" AS ENUM ('Web', 'Shop', 'Phone', 'B2B portal');
