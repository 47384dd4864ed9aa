WITH RECURSIVE leaf (oid, kind) AS (
    VALUES ('pg_catalog.regproc'::regtype::oid, 'function'), ('pg_catalog.regprocedure'::regtype::oid, 'function'),
           ('pg_catalog.regoper'::regtype::oid, 'operator'), ('pg_catalog.regoperator'::regtype::oid, 'operator'),
           ('pg_catalog.regclass'::regtype::oid, 'relation'), ('pg_catalog.regtype'::regtype::oid, 'type'),
           ('pg_catalog.regcollation'::regtype::oid, 'collation'),
           ('pg_catalog.regconfig'::regtype::oid, 'text search configuration'),
           ('pg_catalog.regdictionary'::regtype::oid, 'text search dictionary')),
holder (oid) AS (
    SELECT oid FROM leaf
    UNION
    SELECT x.oid FROM holder AS h CROSS JOIN LATERAL (
        SELECT t.oid FROM pg_type AS t WHERE t.typelem = h.oid OR t.typbasetype = h.oid
        UNION ALL SELECT unnest(ARRAY[r.rngtypid, r.rngmultitypid]) FROM pg_range AS r WHERE r.rngsubtype = h.oid
        UNION ALL SELECT c.reltype FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        WHERE a.atttypid = h.oid AND NOT a.attisdropped AND c.reltype <> 0 AND c.oid >= 16384) AS x),
held AS (
    SELECT format('%I.%I', n.nspname, c.relname) AS relation, quote_ident(a.attname) AS attribute, a.atttypid,
           CASE WHEN y.typnamespace = 'pg_catalog'::regnamespace THEN 'pg_catalog.' ELSE '' END || format_type(a.atttypid, NULL) AS written,
           NOT EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')
                                                     AND g.tgtype & 16 <> 0)
           AND NOT EXISTS (SELECT FROM pg_rewrite AS r WHERE r.ev_class = c.oid AND r.ev_type = '2') AS is_plain
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
         JOIN pg_type AS y ON y.oid = a.atttypid
    WHERE a.atttypid IN (SELECT oid FROM holder) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
      AND c.relkind = 'r' AND c.relpersistence <> 't' AND c.oid >= 16384 AND pg_has_role(c.relowner, 'USAGE')),
path (relation, attribute, written, is_plain, depth, joins, expression, type, shape) AS (
    SELECT relation, attribute, written, is_plain, 0, '' COLLATE "C", ('t.' || attribute) COLLATE "C", atttypid, '' COLLATE "C" FROM held
    UNION ALL
    SELECT p.relation, p.attribute, p.written, p.is_plain, p.depth + 1, p.joins || x.joins, x.expression, x.type, p.shape || x.shape
    FROM path AS p JOIN pg_type AS t ON t.oid = p.type CROSS JOIN LATERAL (
        SELECT '' AS joins, format('(%s)::%s', p.expression, format_type(t.typbasetype, NULL)) AS expression,
               t.typbasetype AS type, 'd' AS shape
        WHERE t.typtype = 'd'
        UNION ALL
        SELECT format(' CROSS JOIN LATERAL (SELECT u FROM pg_catalog.unnest(%s) AS u) AS a%s', p.expression, p.depth),
               format('a%s.u', p.depth), t.typelem, 'a'
        WHERE t.typtype = 'b' AND t.typelem <> 0
        UNION ALL
        SELECT '', format('(%s).%I', p.expression, a.attname), a.atttypid, 'c'
        FROM pg_attribute AS a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT '', format('pg_catalog.%s(%s)', bound, p.expression), r.rngsubtype, 'r'
        FROM pg_range AS r CROSS JOIN (VALUES ('lower'), ('upper')) AS bounds (bound)
        WHERE t.typtype = 'r' AND r.rngtypid = t.oid
        UNION ALL
        SELECT format(' CROSS JOIN LATERAL (SELECT u FROM pg_catalog.unnest(%s) AS u) AS a%s', p.expression, p.depth),
               format('a%s.u', p.depth), r.rngtypid, 'm'
        FROM pg_range AS r
        WHERE t.typtype = 'm' AND r.rngmultitypid = t.oid) AS x
    WHERE p.depth < 50 AND x.type IN (SELECT oid FROM holder))
SELECT p.relation, p.attribute, p.written, l.kind, p.joins, p.expression, p.shape, p.is_plain
FROM path AS p JOIN leaf AS l ON l.oid = p.type
ORDER BY p.relation, p.attribute, p.shape, p.expression
