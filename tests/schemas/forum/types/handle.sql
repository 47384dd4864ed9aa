-- The name by which people are mentioned: @ada_l
CREATE DOMAIN handle AS text
    COLLATE "C"
    CONSTRAINT handle_shape CHECK (VALUE ~ '^[a-z][a-z0-9_]{1,29}$');
