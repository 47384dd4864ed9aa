CREATE TABLE notice_settings (
    account_id bigint REFERENCES accounts ON DELETE CASCADE,
    kind       notice_kind,
    by_mail    boolean NOT NULL DEFAULT true,
    on_site    boolean NOT NULL DEFAULT true,
    PRIMARY KEY (account_id, kind)
);
