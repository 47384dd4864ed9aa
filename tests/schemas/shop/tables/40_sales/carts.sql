CREATE TABLE carts (
    cart_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    customer_id bigint REFERENCES customers ON DELETE CASCADE,
    channel     "Channel" NOT NULL DEFAULT 'Web',
    price_list  text NOT NULL REFERENCES price_lists,
    coupon      text REFERENCES coupons,
    touched_at  timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE cart_lines (
    cart_id uuid REFERENCES carts ON DELETE CASCADE,
    sku     sku REFERENCES variants,
    amount  positive_quantity NOT NULL DEFAULT 1,
    added_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (cart_id, sku)
);
