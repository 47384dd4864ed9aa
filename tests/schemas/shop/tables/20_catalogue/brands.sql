create table brands (brand text primary key, supplier_id integer references suppliers, site text);
