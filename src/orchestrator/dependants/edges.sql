-- What depends directly on each of the objects asked for, as pg_depend has it, brought to the object that a statement
-- can drop: the rule of a view is the view, an attribute of a view too, the index of a constraint the constraint, what
-- generates a column (which depends on a function itself since PostgreSQL 16) the column.
WITH asked AS (
    SELECT * FROM unnest($1::oid[], $2::oid[], $3::int4[]) WITH ORDINALITY AS asked (class, object, sub, place)
),
edge AS (
    SELECT a.place, a.class AS of_class, d.classid AS class, d.objid AS object, d.objsubid AS sub, d.deptype
    FROM asked a
    JOIN pg_catalog.pg_depend d ON d.refclassid = a.class AND d.refobjid = a.object
                               AND (a.sub = 0 OR d.refobjsubid = a.sub)
    WHERE d.deptype IN ('n', 'a', 'i', 'P', 'S')
),
brought AS (
    SELECT e.place,
           CASE WHEN r.rulename = '_RETURN' THEN 'pg_catalog.pg_class'::regclass::oid
                WHEN x.objid IS NOT NULL THEN 'pg_catalog.pg_constraint'::regclass::oid
                WHEN t.attnum IS NOT NULL THEN 'pg_catalog.pg_class'::regclass::oid
                ELSE e.class END AS class,
           CASE WHEN r.rulename = '_RETURN' THEN r.ev_class WHEN x.objid IS NOT NULL THEN x.refobjid
                WHEN t.attnum IS NOT NULL THEN t.attrelid ELSE e.object END AS object,
           CASE WHEN r.rulename = '_RETURN' OR c.relkind IN ('v', 'm') THEN 0
                WHEN t.attnum IS NOT NULL THEN t.attnum::int4 ELSE e.sub END AS sub,
           -- A column that only the WHERE or an expression of an exclusion constraint reads belongs to its index: PostgreSQL
           -- does not drop the constraint with that.
           CASE WHEN e.deptype = 'a' AND a.sub > 0 AND x.objid IS NOT NULL THEN 'n' ELSE e.deptype END AS deptype,
           e.class AS found_in
    FROM edge e
    JOIN asked a ON a.place = e.place
    LEFT JOIN pg_catalog.pg_rewrite r ON e.class = 'pg_catalog.pg_rewrite'::regclass AND r.oid = e.object
    LEFT JOIN pg_catalog.pg_class c ON e.class = 'pg_catalog.pg_class'::regclass AND c.oid = e.object
    LEFT JOIN pg_catalog.pg_depend x
           ON c.relkind IN ('i', 'I') AND x.classid = e.class AND x.objid = e.object AND x.deptype = 'i'
          AND x.refclassid = 'pg_catalog.pg_constraint'::regclass
    LEFT JOIN pg_catalog.pg_attrdef f
           ON e.class = 'pg_catalog.pg_attrdef'::regclass AND f.oid = e.object AND e.of_class <> 'pg_catalog.pg_class'::regclass
    LEFT JOIN pg_catalog.pg_attribute t ON t.attrelid = f.adrelid AND t.attnum = f.adnum AND t.attgenerated <> ''
)
SELECT DISTINCT b.place, b.class, b.object, b.sub, b.deptype::text,
       -- Whether ALTER COLUMN … TYPE refuses because of it; the rest PostgreSQL makes anew by itself.
       b.found_in IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_policy'::regclass,
                      'pg_catalog.pg_trigger'::regclass, 'pg_catalog.pg_proc'::regclass,
                      'pg_catalog.pg_publication_rel'::regclass) AS stops_retyping
FROM brought b
JOIN asked a ON a.place = b.place
WHERE (b.class, b.object, b.sub) IS DISTINCT FROM (a.class, a.object, a.sub)
  -- What comes and goes with the same thing of a parent table, and, since PostgreSQL 18, a NOT NULL with its column.
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint o WHERE b.class = 'pg_catalog.pg_constraint'::regclass
                  AND o.oid = b.object AND o.conrelid <> 0 AND (NOT o.conislocal OR o.contype = 'n'))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger o WHERE b.class = 'pg_catalog.pg_trigger'::regclass
                  AND o.oid = b.object AND (o.tgisinternal OR o.tgparentid <> 0))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_class o WHERE b.class = 'pg_catalog.pg_class'::regclass
                  AND o.oid = b.object AND o.relkind IN ('i', 'I') AND o.relispartition)
  -- The expression of a generated column is part of it.
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_attrdef e
                  JOIN pg_catalog.pg_attribute t ON t.attrelid = e.adrelid AND t.attnum = e.adnum AND t.attgenerated <> ''
                  WHERE b.class = 'pg_catalog.pg_attrdef'::regclass AND e.oid = b.object
                    AND e.adrelid = a.object AND e.adnum = a.sub)
  -- Long values of a materialized view are stored beside it, which is nobody's to drop.
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_class o WHERE b.class = 'pg_catalog.pg_class'::regclass
                  AND o.oid = b.object AND o.relnamespace = 'pg_toast'::regnamespace)
ORDER BY b.place, b.class, b.object, b.sub
