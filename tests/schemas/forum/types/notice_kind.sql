CREATE TYPE notice_kind AS ENUM ('reply', 'mention', 'reaction', 'message', 'badge', 'warning', 'system');
