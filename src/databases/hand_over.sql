-- One ALTER … OWNER TO for each object of a database that one of the roles $1 owns and that shall be the role $2's.
-- Left alone: what an extension made; what follows its table or type (indexes, toast, row types, arrays, sequences of
-- serial and identity columns); event triggers, which only a superuser may own, and the functions that they call: as
-- somebody else's, those could be replaced and then run by a superuser's next statement; and schemas that hold extensions
-- and nothing else, in which an extension's script, run as a superuser, must find nothing of the role's: these may be used.
WITH former AS (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = ANY ($1)),
     ours AS (SELECT oid, nspname FROM pg_catalog.pg_namespace
              WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_'),
     members AS (SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'),
     -- What stands in a schema by itself depends on it.
     of_extensions AS (
         SELECT n.oid FROM pg_catalog.pg_namespace AS n
         WHERE n.nspname <> 'public' AND n.oid IN (SELECT extnamespace FROM pg_catalog.pg_extension)
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                           WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
                             AND d.classid NOT IN ('pg_extension'::regclass, 'pg_default_acl'::regclass)
                             AND (d.classid, d.objid) NOT IN (SELECT classid, objid FROM members))),
     found (place, kind, class, oid, name) AS (
         SELECT 1, 'SCHEMA', 'pg_namespace'::regclass, n.oid, pg_catalog.format('%I', n.nspname)
         FROM pg_catalog.pg_namespace AS n JOIN ours USING (oid) WHERE n.nspowner IN (SELECT oid FROM former)
           AND n.oid NOT IN (SELECT oid FROM of_extensions)
         UNION ALL
         SELECT 2, CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                                  WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
                'pg_class'::regclass, c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname)
         FROM pg_catalog.pg_class AS c JOIN ours AS n ON n.oid = c.relnamespace
         WHERE c.relowner IN (SELECT oid FROM former) AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
           AND NOT (c.relkind = 'S' AND EXISTS (
               SELECT FROM pg_catalog.pg_depend AS d
               WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
                 AND d.deptype IN ('a', 'i')))
         UNION ALL
         SELECT 3, CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END,
                'pg_type'::regclass, t.oid, pg_catalog.format('%I.%I', n.nspname, t.typname)
         FROM pg_catalog.pg_type AS t JOIN ours AS n ON n.oid = t.typnamespace
         LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
         WHERE t.typowner IN (SELECT oid FROM former) AND t.typtype IN ('b', 'c', 'd', 'e', 'r')
           AND (c.oid IS NULL OR c.relkind = 'c')
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_type AS element WHERE element.typarray = t.oid)
         UNION ALL
         SELECT 4, 'ROUTINE', 'pg_proc'::regclass, p.oid, p.oid::regprocedure::text
         FROM pg_catalog.pg_proc AS p JOIN ours AS n ON n.oid = p.pronamespace
         WHERE p.proowner IN (SELECT oid FROM former)
           AND p.oid NOT IN (SELECT evtfoid FROM pg_catalog.pg_event_trigger)
         UNION ALL
         SELECT 5, 'OPERATOR', 'pg_operator'::regclass, o.oid, o.oid::regoperator::text
         FROM pg_catalog.pg_operator AS o JOIN ours AS n ON n.oid = o.oprnamespace
         WHERE o.oprowner IN (SELECT oid FROM former)
         UNION ALL
         SELECT 6, 'OPERATOR CLASS', 'pg_opclass'::regclass, o.oid,
                pg_catalog.format('%I.%I USING %I', n.nspname, o.opcname, a.amname)
         FROM pg_catalog.pg_opclass AS o JOIN ours AS n ON n.oid = o.opcnamespace
         JOIN pg_catalog.pg_am AS a ON a.oid = o.opcmethod WHERE o.opcowner IN (SELECT oid FROM former)
         UNION ALL
         SELECT 6, 'OPERATOR FAMILY', 'pg_opfamily'::regclass, o.oid,
                pg_catalog.format('%I.%I USING %I', n.nspname, o.opfname, a.amname)
         FROM pg_catalog.pg_opfamily AS o JOIN ours AS n ON n.oid = o.opfnamespace
         JOIN pg_catalog.pg_am AS a ON a.oid = o.opfmethod WHERE o.opfowner IN (SELECT oid FROM former)
         UNION ALL
         SELECT 7, 'COLLATION', 'pg_collation'::regclass, c.oid, pg_catalog.format('%I.%I', n.nspname, c.collname)
         FROM pg_catalog.pg_collation AS c JOIN ours AS n ON n.oid = c.collnamespace
         WHERE c.collowner IN (SELECT oid FROM former)
         UNION ALL
         SELECT 7, 'CONVERSION', 'pg_conversion'::regclass, c.oid, pg_catalog.format('%I.%I', n.nspname, c.conname)
         FROM pg_catalog.pg_conversion AS c JOIN ours AS n ON n.oid = c.connamespace
         WHERE c.conowner IN (SELECT oid FROM former)
         UNION ALL
         SELECT 7, 'TEXT SEARCH CONFIGURATION', 'pg_ts_config'::regclass, c.oid,
                pg_catalog.format('%I.%I', n.nspname, c.cfgname)
         FROM pg_catalog.pg_ts_config AS c JOIN ours AS n ON n.oid = c.cfgnamespace
         WHERE c.cfgowner IN (SELECT oid FROM former)
         UNION ALL
         SELECT 7, 'TEXT SEARCH DICTIONARY', 'pg_ts_dict'::regclass, d.oid,
                pg_catalog.format('%I.%I', n.nspname, d.dictname)
         FROM pg_catalog.pg_ts_dict AS d JOIN ours AS n ON n.oid = d.dictnamespace
         WHERE d.dictowner IN (SELECT oid FROM former)
         UNION ALL
         SELECT 7, 'STATISTICS', 'pg_statistic_ext'::regclass, s.oid, pg_catalog.format('%I.%I', n.nspname, s.stxname)
         FROM pg_catalog.pg_statistic_ext AS s JOIN ours AS n ON n.oid = s.stxnamespace
         WHERE s.stxowner IN (SELECT oid FROM former)
         UNION ALL
         SELECT 8, 'LARGE OBJECT', 'pg_largeobject'::regclass, l.oid, l.oid::text
         FROM pg_catalog.pg_largeobject_metadata AS l WHERE l.lomowner IN (SELECT oid FROM former)
     )
SELECT statement FROM (
    SELECT place, name, pg_catalog.format('ALTER %s %s OWNER TO %I', kind, name, $2::text) AS statement
    FROM found WHERE (class, oid) NOT IN (SELECT classid, objid FROM members)
    UNION ALL
    SELECT 0, n.nspname, pg_catalog.format('GRANT USAGE ON SCHEMA %I TO PUBLIC', n.nspname)
    FROM pg_catalog.pg_namespace AS n JOIN of_extensions USING (oid) WHERE n.nspowner IN (SELECT oid FROM former)
) AS statements
ORDER BY place, name
