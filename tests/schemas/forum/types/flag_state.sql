CREATE TYPE flag_state AS ENUM (
    'open',
    'in review',
    'upheld',
    'rejected',
    'can''t decide'
);
COMMENT ON TYPE flag_state IS 'the life of a flag; ''can''''t decide'' goes to the next moderator';
