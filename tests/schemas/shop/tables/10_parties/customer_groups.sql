CREATE TABLE customer_groups (
    group_id    smallint PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    price_list  text REFERENCES price_lists,
    discount    percentage NOT NULL DEFAULT 0
);
CREATE TABLE customer_group_members (
    customer_id bigint REFERENCES customers ON DELETE CASCADE,
    group_id    smallint REFERENCES customer_groups ON DELETE RESTRICT,
    PRIMARY KEY (customer_id, group_id)
);
