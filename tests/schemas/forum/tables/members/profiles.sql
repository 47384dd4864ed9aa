create table profiles (
    account_id bigint primary key references accounts (account_id) on delete cascade,
    about      markup,
    website    web_address,
    avatar_id  bigint,          -- attachments come later in the alphabet, see below
    born       date check (born > date '1900-01-01'),
    links      jsonb not null default '{}'::jsonb check (jsonb_typeof(links) = 'object')
);
alter table profiles
    add constraint profiles_avatar foreign key (avatar_id) references attachments on delete set null;
