-- A number that changes with every change of the catalog that anybody commits: the sum over hashes of each row's
-- identity and the transaction that wrote it. Only rows made after initdb (FirstNormalObjectId, 16384) count, found by
-- the index on oid; temporary tables come and go with sessions. A copy of a database (CREATE DATABASE … TEMPLATE) has the
-- same rows, and so the same number.
(WITH temporary AS MATERIALIZED (
    SELECT oid, reltype FROM pg_catalog.pg_class WHERE oid >= 16384 AND relpersistence = 't'
),
relation AS MATERIALIZED (
    SELECT oid, xmin FROM pg_catalog.pg_class WHERE oid >= 16384 AND relpersistence <> 't'
),
rows (catalog, id, part, written_by) AS (
    SELECT 1, oid, 0, xmin FROM relation
    UNION ALL
    SELECT 2, attrelid, attnum, xmin FROM pg_catalog.pg_attribute
    WHERE attrelid >= 16384 AND attrelid NOT IN (SELECT oid FROM temporary)
    UNION ALL
    SELECT 3, oid, 0, xmin FROM pg_catalog.pg_attrdef WHERE oid >= 16384 AND adrelid NOT IN (SELECT oid FROM temporary)
    UNION ALL
    SELECT 4, oid, 0, xmin FROM pg_catalog.pg_constraint
    WHERE oid >= 16384 AND conrelid NOT IN (SELECT oid FROM temporary)
    UNION ALL
    SELECT 5, indexrelid, 0, xmin FROM pg_catalog.pg_index
    WHERE indexrelid >= 16384 AND indrelid NOT IN (SELECT oid FROM temporary)
    UNION ALL
    SELECT 6, oid, 0, xmin FROM pg_catalog.pg_type
    WHERE oid >= 16384 AND oid NOT IN (SELECT reltype FROM temporary)
      AND typelem NOT IN (SELECT reltype FROM temporary)
    UNION ALL
    SELECT 7, oid, 0, xmin FROM pg_catalog.pg_proc WHERE oid >= 16384
    UNION ALL
    SELECT 8, oid, 0, xmin FROM pg_catalog.pg_enum WHERE oid >= 16384
    UNION ALL
    SELECT 9, oid, 0, xmin FROM pg_catalog.pg_trigger
    WHERE oid >= 16384 AND tgrelid NOT IN (SELECT oid FROM temporary)
    UNION ALL
    SELECT 10, oid, 0, xmin FROM pg_catalog.pg_rewrite
    WHERE oid >= 16384 AND ev_class NOT IN (SELECT oid FROM temporary)
    UNION ALL
    SELECT 11, oid, 0, xmin FROM pg_catalog.pg_policy WHERE oid >= 16384
    UNION ALL
    SELECT 12, oid, 0, xmin FROM pg_catalog.pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_(toast_)?temp_'
    UNION ALL
    SELECT 13, oid, 0, xmin FROM pg_catalog.pg_extension WHERE oid >= 16384
    UNION ALL
    SELECT 14, seqrelid, 0, xmin FROM pg_catalog.pg_sequence
    WHERE seqrelid >= 16384 AND seqrelid NOT IN (SELECT oid FROM temporary)
    UNION ALL
    SELECT 15, inhrelid, inhseqno, xmin FROM pg_catalog.pg_inherits
    WHERE inhrelid >= 16384 AND inhrelid NOT IN (SELECT oid FROM temporary)
    UNION ALL
    SELECT 16, objoid, objsubid, xmin FROM pg_catalog.pg_description WHERE objoid >= 16384
)
SELECT coalesce(sum(pg_catalog.hashtextextended(
           catalog || ' ' || id || ' ' || part || ' ' || written_by, 0)), 0)::text || '/' || count(*)
FROM rows)
