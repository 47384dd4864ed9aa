CREATE TABLE thread_tags (
    thread_id bigint REFERENCES threads ON DELETE CASCADE,
    tag       text REFERENCES tags ON UPDATE CASCADE,
    PRIMARY KEY (thread_id, tag)
);
