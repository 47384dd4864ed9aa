alter table books.journals add column sort integer;
update books.journals set sort = id * 10;
alter table books.journals alter column sort set not null, alter column sort set default 100;
