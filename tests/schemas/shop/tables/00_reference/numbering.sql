-- Gapless numbers for documents that the law counts.
CREATE TABLE numbering (
    series text NOT NULL,
    year   smallint NOT NULL,
    last   integer NOT NULL DEFAULT 0,
    PRIMARY KEY (series, year)
);
