/* What every listing answers, beside its rows. */
CREATE TYPE page AS (total bigint, size integer, next_cursor text);
