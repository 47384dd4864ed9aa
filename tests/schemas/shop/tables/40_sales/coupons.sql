CREATE TABLE coupons (
    coupon   text PRIMARY KEY DEFAULT new_coupon_code(),
    discount percentage,
    off      amount,
    uses_left integer,
    valid    tstzrange NOT NULL DEFAULT '(,)',
    CONSTRAINT one_kind_of_discount CHECK ((discount IS NULL) <> (off IS NULL))
);
