CREATE TABLE gift_cards (
    code    text PRIMARY KEY DEFAULT new_coupon_code(16),
    balance amount NOT NULL,
    CHECK ((balance).value >= 0)
);
CREATE TABLE gift_card_moves (
    code       text NOT NULL REFERENCES gift_cards,
    payment_id bigint REFERENCES payments,
    change     amount NOT NULL,
    at         timestamptz NOT NULL DEFAULT now()
);
