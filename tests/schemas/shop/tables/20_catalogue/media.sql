CREATE TABLE media (
    media_id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    product_id bigint NOT NULL REFERENCES products ON DELETE CASCADE,
    address    text NOT NULL,
    media_type text NOT NULL DEFAULT 'image/*',
    sort       integer NOT NULL DEFAULT nextval('media_sort')
);
CREATE SEQUENCE media_sort INCREMENT BY 10;
ALTER SEQUENCE media_sort OWNED BY media.sort;
