CREATE TABLE payment_terms (
    term     text PRIMARY KEY,
    due      interval NOT NULL,
    discount percentage NOT NULL DEFAULT 0,
    discount_within interval,
    CHECK ((discount = 0) = (discount_within IS NULL))
);
