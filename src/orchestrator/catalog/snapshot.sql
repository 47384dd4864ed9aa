-- The whole catalog of one database as one JSON text; the shape is `Catalog` in catalog.rs.
WITH own_schema AS MATERIALIZED (
    SELECT oid FROM pg_namespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)'
),
member AS MATERIALIZED (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
),
relation AS MATERIALIZED (
    SELECT c.oid, c.relkind, c.relpartbound
    FROM pg_class c
    WHERE c.relkind IN ('r', 'p', 'f', 'c')
      AND c.relnamespace IN (SELECT oid FROM own_schema)
      AND c.relname NOT LIKE '\_stonescriptdb\_gateway\_%'
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass AND m.objid = c.reltype)
),
columns AS (
    SELECT a.attrelid,
           json_object_agg(a.attnum, json_build_object(
               'name', quote_ident(a.attname),
               'data_type', format_type(a.atttypid, a.atttypmod),
               'not_null', a.attnotnull,
               'default', pg_get_expr(d.adbin, d.adrelid),
               'generated', a.attgenerated,
               'identity', a.attidentity,
               'serial', EXISTS (SELECT FROM pg_depend o JOIN pg_class s ON s.oid = o.objid AND s.relkind = 'S'
                                 WHERE o.classid = 'pg_class'::regclass AND o.refclassid = 'pg_class'::regclass
                                   AND o.refobjid = a.attrelid AND o.refobjsubid = a.attnum AND o.deptype = 'a')
                         AND pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%',
               'local', a.attislocal)) AS list
    FROM pg_attribute a
    JOIN relation r ON r.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
    GROUP BY a.attrelid
),
constraints AS (
    -- NOT NULL became a constraint in PostgreSQL 18 (contype n); it is told of with the column.
    SELECT o.conrelid,
           json_object_agg(o.oid::text, json_build_object(
               'name', quote_ident(o.conname), 'definition', pg_get_constraintdef(o.oid), 'kind', o.contype)) AS list
    FROM pg_constraint o
    JOIN relation r ON r.oid = o.conrelid
    WHERE o.contype IN ('c', 'f', 'p', 'u', 'x') AND o.conislocal AND o.conparentid = 0
    GROUP BY o.conrelid
),
indexes AS (
    SELECT i.indrelid,
           json_object_agg(i.indexrelid::text, json_build_object(
               'name', quote_ident(c.relname), 'definition', pg_get_indexdef(i.indexrelid), 'kind', 'i')) AS list
    FROM pg_index i
    JOIN relation r ON r.oid = i.indrelid
    JOIN pg_class c ON c.oid = i.indexrelid
    WHERE NOT c.relispartition
      AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u', 'x'))
    GROUP BY i.indrelid
)
SELECT json_build_object(
    'relations', (
        SELECT coalesce(json_object_agg(r.oid::text, json_build_object(
            'name', r.oid::regclass::text,
            'kind', r.relkind,
            'parents', (SELECT coalesce(json_agg(h.inhparent::regclass::text ORDER BY h.inhseqno), '[]')
                        FROM pg_inherits h WHERE h.inhrelid = r.oid),
            'bounds', pg_get_expr(r.relpartbound, r.oid),
            'columns', coalesce(columns.list, '{}'),
            'constraints', coalesce(constraints.list, '{}'),
            'indexes', coalesce(indexes.list, '{}'))), '{}')
        FROM relation r
        LEFT JOIN columns ON columns.attrelid = r.oid
        LEFT JOIN constraints ON constraints.conrelid = r.oid
        LEFT JOIN indexes ON indexes.indrelid = r.oid),
    'enums', (
        SELECT coalesce(json_object_agg(t.oid::text, json_build_object(
            'name', t.oid::regtype::text,
            'values', (SELECT coalesce(json_agg(e.enumlabel ORDER BY e.enumsortorder), '[]')
                       FROM pg_enum e WHERE e.enumtypid = t.oid))), '{}')
        FROM pg_type t
        WHERE t.typtype = 'e' AND t.typnamespace IN (SELECT oid FROM own_schema)
          AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)),
    'domains', (
        SELECT coalesce(json_object_agg(t.oid::text, json_build_object(
            'name', t.oid::regtype::text,
            'base_type', format_type(t.typbasetype, t.typtypmod),
            'not_null', t.typnotnull,
            'default', t.typdefault,
            'constraints', (SELECT coalesce(json_agg(pg_get_constraintdef(o.oid) ORDER BY pg_get_constraintdef(o.oid)),
                                            '[]')
                            FROM pg_constraint o WHERE o.contypid = t.oid AND o.contype = 'c'))), '{}')
        FROM pg_type t
        WHERE t.typtype = 'd' AND t.typnamespace IN (SELECT oid FROM own_schema)
          AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid))
)::text
