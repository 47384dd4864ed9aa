CREATE TABLE reviews (
    product_id  bigint REFERENCES products ON DELETE CASCADE,
    customer_id bigint REFERENCES customers ON DELETE CASCADE,
    stars       smallint NOT NULL CHECK (stars BETWEEN 1 AND 5),
    body        text,
    answered_by integer REFERENCES employees,
    PRIMARY KEY (product_id, customer_id),
    CONSTRAINT only_buyers CHECK (has_bought(customer_id, product_id))
);
CREATE TABLE wishlists (
    wishlist_id bigserial PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
    name        text NOT NULL DEFAULT 'my wishes'
);
CREATE TABLE wishlist_items (
    wishlist_id bigint REFERENCES wishlists ON DELETE CASCADE,
    sku         sku REFERENCES variants ON DELETE CASCADE,
    PRIMARY KEY (wishlist_id, sku)
);
