CREATE TABLE badges (
    badge_id   smallint PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    icon       text NOT NULL DEFAULT '★',
    rank       smallint NOT NULL DEFAULT 1 CHECK (rank IN (1, 2, 3)),
    needs      smallint REFERENCES badges (badge_id)
);

CREATE TABLE badge_awards (
    badge_id   smallint NOT NULL REFERENCES badges,
    account_id bigint   NOT NULL REFERENCES accounts ON DELETE CASCADE,
    post_id    bigint   REFERENCES posts ON DELETE SET NULL,
    awarded_at timestamptz NOT NULL DEFAULT now(),
    awarded_by bigint   REFERENCES accounts,
    PRIMARY KEY (badge_id, account_id)
);
