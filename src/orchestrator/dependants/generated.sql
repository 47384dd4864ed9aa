-- The generated columns that read a column ($2) of a table ($1) or of those that inherit it, parents first.
WITH RECURSIVE tree AS (
    SELECT to_regclass($1)::oid AS oid, 0 AS depth
    UNION SELECT i.inhrelid, depth + 1 FROM pg_inherits i JOIN tree ON tree.oid = i.inhparent
)
SELECT 'pg_class'::regclass::oid, g.attrelid, g.attnum::int4
FROM (SELECT oid, max(depth) AS depth FROM tree GROUP BY oid) AS tree
JOIN pg_attribute a ON a.attrelid = tree.oid AND a.attname = $2::text AND NOT a.attisdropped
JOIN pg_attribute g ON g.attrelid = tree.oid AND g.attgenerated <> '' AND NOT g.attisdropped
JOIN pg_attrdef e ON e.adrelid = tree.oid AND e.adnum = g.attnum
-- Up to PostgreSQL 15 it is the column that depends on what its expression reads, then the expression.
WHERE EXISTS (SELECT FROM pg_depend d
              WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = tree.oid AND d.refobjsubid = a.attnum
                AND ((d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid)
                     OR (d.classid = 'pg_class'::regclass AND d.objid = tree.oid AND d.objsubid = g.attnum)))
ORDER BY tree.depth, 2, 3
