CREATE TABLE attachments (
    attachment_id bigint PRIMARY KEY DEFAULT next_attachment_id(),
    owner_id      bigint NOT NULL REFERENCES accounts,
    file_name     text NOT NULL,
    media_type    text NOT NULL DEFAULT '*/*' CHECK (media_type ~ '^[*a-z]+/[-*+.a-z0-9]+$'),
    bytes         bigint NOT NULL CHECK (bytes BETWEEN 0 AND max_upload_bytes()),
    sha256        bytea NOT NULL CHECK (octet_length(sha256) = 32),
    visible_to    audience NOT NULL DEFAULT 'members',
    uploaded_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX attachments_same_content ON attachments (sha256, bytes);
CREATE TABLE post_attachments (
    post_id       bigint REFERENCES posts ON DELETE CASCADE,
    attachment_id bigint REFERENCES attachments ON DELETE CASCADE,
    position      smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (post_id, attachment_id)
);
