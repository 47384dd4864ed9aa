CREATE TABLE links (
    post_id  bigint NOT NULL REFERENCES posts ON DELETE CASCADE,
    address  web_address NOT NULL,
    to_post  bigint REFERENCES posts ON DELETE SET NULL,
    clicks   integer NOT NULL DEFAULT 0,
    EXCLUDE USING btree (post_id WITH =, address WITH =)
);
