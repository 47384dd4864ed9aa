-- The whole catalog of one database as one JSON text; the shape is `Catalog` in catalog.rs. Tables and types are keyed by
-- oid, columns by number. Definitions are in PostgreSQL's own words, so that two databases can be compared.
WITH own_schema AS MATERIALIZED (
    SELECT oid, nspname FROM pg_namespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)'
),
member AS MATERIALIZED (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
),
relation AS MATERIALIZED (
    SELECT c.oid, c.relkind, c.relpartbound, c.relpersistence, c.reloptions, c.relrowsecurity, c.relforcerowsecurity,
           c.oid::regclass::text AS name
    FROM pg_class c
    WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'f', 'c', 'v', 'm', 'S')
      AND c.relnamespace IN (SELECT oid FROM own_schema)
      AND c.relname NOT LIKE '\_stonescriptdb\_gateway\_%'
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass AND m.objid = c.reltype)
),
owned AS MATERIALIZED (
    -- Sequences that belong to a column: `a` as SERIAL or OWNED BY makes it, `i` of an identity column.
    SELECT o.objid AS sequence, o.refobjid AS relation, o.refobjsubid AS attnum, o.deptype
    FROM pg_depend o
    WHERE o.classid = 'pg_class'::regclass AND o.refclassid = 'pg_class'::regclass AND o.refobjsubid > 0
      AND o.deptype IN ('a', 'i') AND o.objid IN (SELECT oid FROM relation WHERE relkind = 'S')
),
required AS MATERIALIZED (
    -- NOT NULL is a constraint since PostgreSQL 18 (contype n), which may be NOT VALID: then rows may hold NULL all the same.
    SELECT o.conrelid, o.conkey[1] AS attnum, o.conname, o.conislocal, o.convalidated, o.connoinherit, a.attname
    FROM pg_constraint o
    JOIN relation r ON r.oid = o.conrelid
    JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = o.conkey[1]
    WHERE o.contype = 'n'
),
columns AS MATERIALIZED (
    SELECT a.attrelid,
           json_object_agg(a.attnum, json_build_object(
               'name', quote_ident(a.attname),
               'data_type', format_type(a.atttypid, a.atttypmod),
               'not_null', a.attnotnull AND coalesce(n.convalidated, true)
                           -- Where it comes from a parent, whether a child's is valid tells only which came first.
                           AND CASE WHEN n.conislocal OR n.conname IS NULL OR NOT EXISTS (SELECT FROM required WHERE NOT convalidated)
                                    THEN true ELSE NOT EXISTS (
                                WITH RECURSIVE above (oid) AS (
                                    SELECT inhparent FROM pg_inherits WHERE inhrelid = a.attrelid
                                    UNION
                                    SELECT h.inhparent FROM above f JOIN pg_inherits h ON h.inhrelid = f.oid)
                                SELECT FROM required u JOIN above ON above.oid = u.conrelid
                                WHERE u.attname = a.attname AND NOT u.convalidated) END,
               'requirement', CASE WHEN n.conname IS NOT NULL THEN json_build_object(
                   'name', quote_ident(n.conname),
                   -- PostgreSQL's own names end so, also those of tables and columns that were renamed since.
                   'named', n.conname !~ '_not_null[0-9]*$',
                   'local', n.conislocal,
                   'inherits', NOT n.connoinherit) END,
               'default', pg_get_expr(d.adbin, d.adrelid),
               'generated', a.attgenerated,
               'identity', a.attidentity,
               'serial', o.sequence IS NOT NULL
                         AND EXISTS (SELECT FROM pg_depend n
                                     WHERE n.classid = 'pg_attrdef'::regclass AND n.objid = d.oid
                                       AND n.refclassid = 'pg_class'::regclass AND n.refobjid = o.sequence),
               'collation', CASE WHEN a.attcollation <> t.typcollation
                                 THEN a.attcollation::regcollation::text END,
               'storage', CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END,
               'local', a.attislocal,
               'inherited', a.attinhcount > 0)) AS list
    FROM pg_attribute a
    JOIN relation r ON r.oid = a.attrelid AND r.relkind IN ('r', 'p', 'f', 'c')
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN owned o ON o.relation = a.attrelid AND o.attnum = a.attnum AND o.deptype = 'a'
    LEFT JOIN required n ON n.conrelid = a.attrelid AND n.attnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
    GROUP BY a.attrelid
),
invalid_index AS MATERIALIZED (
    SELECT indexrelid FROM pg_index WHERE NOT indisvalid
),
constraints AS MATERIALIZED (
    -- NOT NULL, since PostgreSQL 18 a constraint too (contype n), is told of with the column.
    SELECT o.conrelid,
           json_object_agg(o.oid::text, json_build_object(
               'name', quote_ident(o.conname),
               'definition', pg_get_constraintdef(o.oid)
                             -- A key of a partitioned table that some partition lacks.
                             || CASE WHEN o.contype IN ('p', 'u', 'x') AND o.conindid IN (SELECT indexrelid FROM invalid_index)
                                     THEN ' INVALID' ELSE '' END,
               'kind', o.contype)) AS list
    FROM pg_constraint o
    JOIN relation r ON r.oid = o.conrelid
    WHERE o.contype IN ('c', 'f', 'p', 'u', 'x') AND o.conislocal AND o.conparentid = 0
    GROUP BY o.conrelid
),
not_null AS MATERIALIZED (
    -- Renaming one renames those of the children, which have to bear the same name.
    SELECT o.conrelid, json_object_agg(quote_ident(a.attname), quote_ident(o.conname)) AS list
    FROM pg_constraint o
    JOIN relation r ON r.oid = o.conrelid
    JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = o.conkey[1]
    WHERE o.contype = 'n' AND o.coninhcount = 0
      AND (o.connoinherit OR NOT EXISTS (
          WITH RECURSIVE family (oid) AS (
              SELECT inhrelid FROM pg_inherits WHERE inhparent = o.conrelid
              UNION
              SELECT h.inhrelid FROM family f JOIN pg_inherits h ON h.inhparent = f.oid)
          SELECT FROM family f
          WHERE NOT EXISTS (SELECT FROM pg_constraint k
                            WHERE k.conrelid = f.oid AND k.contype = 'n' AND k.conname = o.conname)))
    GROUP BY o.conrelid
),
indexes AS MATERIALIZED (
    SELECT i.indrelid,
           json_object_agg(i.indexrelid::text, json_build_object(
               'name', quote_ident(c.relname),
               'definition', pg_get_indexdef(i.indexrelid)
                             || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END,
               'kind', 'i')) AS list
    FROM pg_index i
    JOIN relation r ON r.oid = i.indrelid
    JOIN pg_class c ON c.oid = i.indexrelid
    WHERE NOT c.relispartition
      AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u', 'x'))
    GROUP BY i.indrelid
),
part AS MATERIALIZED (
    -- Triggers (those of a partition come from its parent's), policies, rules, extended statistics.
    SELECT t.tgrelid AS relation, 't' AS class, t.oid, t.tgname AS name,
           -- Whether it is switched on is a state, which somebody may have changed for a reason.
           pg_get_triggerdef(t.oid) AS definition
    FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgparentid = 0
    UNION ALL
    SELECT p.polrelid, 'p', p.oid, p.polname,
           concat('AS ', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                  ' FOR ', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                                         WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                  ' TO ', (SELECT string_agg(CASE o WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(o)) END, ', '
                                             ORDER BY o) FROM unnest(p.polroles) AS o),
                  ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                  ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
    FROM pg_policy p
    UNION ALL
    SELECT w.ev_class, 'r', w.oid, w.rulename, pg_get_ruledef(w.oid)
    FROM pg_rewrite w WHERE w.oid >= 16384 AND w.rulename <> '_RETURN'
    UNION ALL
    SELECT s.stxrelid, 's', s.oid, s.stxname, pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s
),
parts AS MATERIALIZED (
    SELECT part.relation,
           json_object_agg(part.class || part.oid, json_build_object(
               'name', quote_ident(part.name), 'definition', part.definition, 'kind', part.class)) AS list
    FROM part JOIN relation r ON r.oid = part.relation
    GROUP BY part.relation
),
routine AS MATERIALIZED (
    SELECT p.*, p.oid::regprocedure::text AS name
    FROM pg_proc p
    -- PostgreSQL's own objects have lower numbers; the index knows that.
    WHERE p.oid >= 16384 AND p.pronamespace IN (SELECT oid FROM own_schema)
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
      -- Those that PostgreSQL makes for a range type.
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')
),
own_type AS MATERIALIZED (
    SELECT t.*, t.oid::regtype::text AS name
    FROM pg_type t
    WHERE t.oid >= 16384 AND t.typtype IN ('e', 'd', 'r') AND t.typnamespace IN (SELECT oid FROM own_schema)
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
),
description AS MATERIALIZED (
    -- The schema public was there before anybody's, and has a comment of PostgreSQL's.
    SELECT * FROM pg_description
    WHERE objoid >= 16384
       OR classoid = 'pg_namespace'::regclass AND objoid = to_regnamespace('public') AND description <> 'standard public schema'
),
commented AS (
    -- What `COMMENT ON` calls each thing that has a comment.
    SELECT d, CASE r.relkind WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' WHEN 'v' THEN 'VIEW'
                             WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END
              || ' ' || r.name AS what
    FROM description d JOIN relation r ON r.oid = d.objoid
    WHERE d.classoid = 'pg_class'::regclass AND d.objsubid = 0
    UNION ALL
    SELECT d, format('COLUMN %s.%I', r.name, a.attname)
    FROM description d JOIN relation r ON r.oid = d.objoid
    JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid
    WHERE d.classoid = 'pg_class'::regclass AND d.objsubid > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT d, 'INDEX ' || i.indexrelid::regclass
    FROM description d JOIN pg_index i ON i.indexrelid = d.objoid JOIN relation r ON r.oid = i.indrelid
    WHERE d.classoid = 'pg_class'::regclass
    UNION ALL
    SELECT d, CASE WHEN o.contypid <> 0 THEN format('CONSTRAINT %I ON DOMAIN %s', o.conname, t.name)
                   ELSE format('CONSTRAINT %I ON %s', o.conname, r.name) END
    FROM description d JOIN pg_constraint o ON o.oid = d.objoid
    LEFT JOIN relation r ON r.oid = o.conrelid LEFT JOIN own_type t ON t.oid = o.contypid
    WHERE d.classoid = 'pg_constraint'::regclass AND (r.oid IS NOT NULL OR t.oid IS NOT NULL)
    UNION ALL
    SELECT d, format('TRIGGER %I ON %s', t.tgname, r.name)
    FROM description d JOIN pg_trigger t ON t.oid = d.objoid JOIN relation r ON r.oid = t.tgrelid
    WHERE d.classoid = 'pg_trigger'::regclass AND NOT t.tgisinternal
    UNION ALL
    SELECT d, format('POLICY %I ON %s', p.polname, r.name)
    FROM description d JOIN pg_policy p ON p.oid = d.objoid JOIN relation r ON r.oid = p.polrelid
    WHERE d.classoid = 'pg_policy'::regclass
    UNION ALL
    SELECT d, CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END || ' ' || p.name
    FROM description d JOIN routine p ON p.oid = d.objoid
    WHERE d.classoid = 'pg_proc'::regclass AND (p.prokind <> 'a' OR p.pronargs > 0)
    UNION ALL
    SELECT d, CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END || ' ' || t.name
    FROM description d JOIN own_type t ON t.oid = d.objoid WHERE d.classoid = 'pg_type'::regclass
    UNION ALL
    SELECT d, 'TYPE ' || r.name
    FROM description d JOIN pg_type t ON t.oid = d.objoid JOIN relation r ON r.oid = t.typrelid AND r.relkind = 'c'
    WHERE d.classoid = 'pg_type'::regclass
    UNION ALL
    SELECT d, format('AGGREGATE %I.%I(*)', n.nspname, p.proname)
    FROM description d JOIN routine p ON p.oid = d.objoid JOIN own_schema n ON n.oid = p.pronamespace
    WHERE d.classoid = 'pg_proc'::regclass AND p.prokind = 'a' AND p.pronargs = 0
    UNION ALL
    SELECT d, format('RULE %I ON %s', w.rulename, r.name)
    FROM description d JOIN pg_rewrite w ON w.oid = d.objoid JOIN relation r ON r.oid = w.ev_class
    WHERE d.classoid = 'pg_rewrite'::regclass AND w.rulename <> '_RETURN'
    UNION ALL
    SELECT d, format('STATISTICS %I.%I', n.nspname, s.stxname)
    FROM description d JOIN pg_statistic_ext s ON s.oid = d.objoid JOIN own_schema n ON n.oid = s.stxnamespace
    WHERE d.classoid = 'pg_statistic_ext'::regclass
    UNION ALL
    SELECT d, w.what
    FROM description d
    CROSS JOIN LATERAL (
        SELECT 'COLLATION ' || o.oid::regcollation AS what FROM pg_collation o
        WHERE d.classoid = 'pg_collation'::regclass AND o.oid = d.objoid
        UNION ALL SELECT 'OPERATOR ' || o.oid::regoperator FROM pg_operator o
        WHERE d.classoid = 'pg_operator'::regclass AND o.oid = d.objoid
        UNION ALL SELECT format('CAST (%s AS %s)', format_type(o.castsource, NULL), format_type(o.casttarget, NULL)) FROM pg_cast o
        WHERE d.classoid = 'pg_cast'::regclass AND o.oid = d.objoid
        UNION ALL SELECT 'PUBLICATION ' || quote_ident(o.pubname) FROM pg_publication o
        WHERE d.classoid = 'pg_publication'::regclass AND o.oid = d.objoid
        UNION ALL SELECT 'TEXT SEARCH DICTIONARY ' || o.oid::regdictionary FROM pg_ts_dict o
        WHERE d.classoid = 'pg_ts_dict'::regclass AND o.oid = d.objoid
        UNION ALL SELECT 'TEXT SEARCH CONFIGURATION ' || o.oid::regconfig FROM pg_ts_config o
        WHERE d.classoid = 'pg_ts_config'::regclass AND o.oid = d.objoid
        UNION ALL SELECT format('TEXT SEARCH PARSER %I.%I', n.nspname, o.prsname)
        FROM pg_ts_parser o JOIN pg_namespace n ON n.oid = o.prsnamespace
        WHERE d.classoid = 'pg_ts_parser'::regclass AND o.oid = d.objoid
        UNION ALL SELECT format('TEXT SEARCH TEMPLATE %I.%I', n.nspname, o.tmplname)
        FROM pg_ts_template o JOIN pg_namespace n ON n.oid = o.tmplnamespace
        WHERE d.classoid = 'pg_ts_template'::regclass AND o.oid = d.objoid
        UNION ALL SELECT 'EVENT TRIGGER ' || quote_ident(o.evtname) FROM pg_event_trigger o
        WHERE d.classoid = 'pg_event_trigger'::regclass AND o.oid = d.objoid
        UNION ALL SELECT 'SERVER ' || quote_ident(o.srvname) FROM pg_foreign_server o
        WHERE d.classoid = 'pg_foreign_server'::regclass AND o.oid = d.objoid
        UNION ALL SELECT format('CONVERSION %I.%I', n.nspname, o.conname) FROM pg_conversion o JOIN pg_namespace n ON n.oid = o.connamespace
        WHERE d.classoid = 'pg_conversion'::regclass AND o.oid = d.objoid
        UNION ALL SELECT format('OPERATOR CLASS %I.%I USING %I', n.nspname, o.opcname, m.amname)
        FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace JOIN pg_am m ON m.oid = o.opcmethod
        WHERE d.classoid = 'pg_opclass'::regclass AND o.oid = d.objoid
        UNION ALL SELECT format('OPERATOR FAMILY %I.%I USING %I', n.nspname, o.opfname, m.amname)
        FROM pg_opfamily o JOIN pg_namespace n ON n.oid = o.opfnamespace JOIN pg_am m ON m.oid = o.opfmethod
        WHERE d.classoid = 'pg_opfamily'::regclass AND o.oid = d.objoid) w
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = d.classoid AND m.objid = d.objoid)
    UNION ALL
    SELECT d, 'SCHEMA ' || quote_ident(n.nspname)
    FROM description d JOIN own_schema n ON n.oid = d.objoid WHERE d.classoid = 'pg_namespace'::regclass
)
SELECT json_build_object(
    'server_version', current_setting('server_version_num')::int,
    'relations', (
        SELECT coalesce(json_object_agg(r.oid::text, json_build_object(
            'name', r.name,
            'kind', r.relkind,
            'parents', (SELECT coalesce(json_agg(h.inhparent::regclass::text ORDER BY h.inhseqno), '[]')
                        FROM pg_inherits h WHERE h.inhrelid = r.oid),
            'bounds', pg_get_expr(r.relpartbound, r.oid),
            'partitioned_by', CASE r.relkind WHEN 'p' THEN pg_get_partkeydef(r.oid) END,
            'unlogged', r.relpersistence = 'u',
            'options', coalesce(to_json(r.reloptions), '[]'),
            'row_security', r.relrowsecurity,
            'force_row_security', r.relforcerowsecurity,
            'columns', coalesce(columns.list, '{}'),
            'constraints', coalesce(constraints.list, '{}'),
            'not_null', coalesce(not_null.list, '{}'),
            'indexes', coalesce(indexes.list, '{}'),
            'parts', coalesce(parts.list, '{}'))), '{}')
        FROM relation r
        LEFT JOIN columns ON columns.attrelid = r.oid
        LEFT JOIN constraints ON constraints.conrelid = r.oid
        LEFT JOIN not_null ON not_null.conrelid = r.oid
        LEFT JOIN indexes ON indexes.indrelid = r.oid
        LEFT JOIN parts ON parts.relation = r.oid
        WHERE r.relkind IN ('r', 'p', 'f', 'c')),
    'views', (
        SELECT coalesce(json_object_agg(r.oid::text, json_build_object(
            'name', r.name,
            'materialized', r.relkind = 'm',
            'definition', pg_get_viewdef(r.oid),
            'options', coalesce(to_json(r.reloptions), '[]'),
            'indexes', coalesce(indexes.list, '{}'),
            'parts', coalesce(parts.list, '{}'))), '{}')
        FROM relation r
        LEFT JOIN indexes ON indexes.indrelid = r.oid
        LEFT JOIN parts ON parts.relation = r.oid
        WHERE r.relkind IN ('v', 'm')),
    'sequences', (
        SELECT coalesce(json_object_agg(r.oid::text, json_build_object(
            'name', r.name,
            'options', format('AS %s INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s CYCLE',
                              format_type(s.seqtypid, NULL), s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache,
                              CASE WHEN s.seqcycle THEN '' ELSE ' NO' END),
            'owner', CASE WHEN o.sequence IS NOT NULL THEN json_build_object(
                'table', o.relation::regclass::text, 'column', quote_ident(a.attname), 'identity', o.deptype = 'i') END)),
            '{}')
        FROM relation r
        JOIN pg_sequence s ON s.seqrelid = r.oid
        LEFT JOIN owned o ON o.sequence = r.oid
        LEFT JOIN pg_attribute a ON a.attrelid = o.relation AND a.attnum = o.attnum
        WHERE r.relkind = 'S'),
    'enums', (
        SELECT coalesce(json_object_agg(t.oid::text, json_build_object(
            'name', t.name,
            -- Not those that an interrupted deployment has left, which PostgreSQL cannot drop.
            'values', (SELECT coalesce(json_agg(e.enumlabel ORDER BY e.enumsortorder), '[]')
                       FROM pg_enum e WHERE e.enumtypid = t.oid AND e.enumlabel NOT LIKE '\_stonescriptdb\_gateway\_%'),
            'value_oids', (SELECT coalesce(json_agg(e.oid::bigint ORDER BY e.enumsortorder), '[]')
                           FROM pg_enum e WHERE e.enumtypid = t.oid AND e.enumlabel NOT LIKE '\_stonescriptdb\_gateway\_%'))), '{}')
        FROM own_type t WHERE t.typtype = 'e'),
    'domains', (
        SELECT coalesce(json_object_agg(t.oid::text, json_build_object(
            'name', t.name,
            'base_type', format_type(t.typbasetype, t.typtypmod)
                         || CASE WHEN t.typcollation <> b.typcollation
                                 THEN ' COLLATE ' || t.typcollation::regcollation ELSE '' END,
            'not_null', t.typnotnull,
            'requirement', (SELECT json_build_object('name', quote_ident(o.conname), 'named', o.conname !~ '_not_null[0-9]*$',
                                                     'local', true, 'inherits', true)
                            FROM pg_constraint o WHERE o.contypid = t.oid AND o.contype = 'n'),
            'default', t.typdefault,
            'constraints', (SELECT coalesce(json_object_agg(quote_ident(o.conname), pg_get_constraintdef(o.oid)), '{}')
                            FROM pg_constraint o WHERE o.contypid = t.oid AND o.contype = 'c'))), '{}')
        FROM own_type t JOIN pg_type b ON b.oid = t.typbasetype WHERE t.typtype = 'd'),
    'others', (
        SELECT coalesce(json_object_agg(class || oid, json_build_object(
            'name', name, 'definition', definition, 'kind', class)), '{}')
        FROM (SELECT 'g' AS class, t.oid, t.name,
                     concat_ws(', ', 'over ' || format_type(r.rngsubtype, NULL),
                               'collation ' || nullif(r.rngcollation, 0)::regcollation,
                               'canonical ' || nullif(r.rngcanonical, 0)::regproc,
                               'difference ' || nullif(r.rngsubdiff, 0)::regproc) AS definition
              FROM own_type t JOIN pg_range r ON r.rngtypid = t.oid
              UNION ALL
              SELECT 'l', c.oid, c.oid::regcollation::text,
                     concat_ws(' ', 'provider ' || c.collprovider::text, c.collcollate, c.collctype,
                               to_jsonb(c) ->> 'colliculocale', to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'collicurules',
                               CASE WHEN c.collisdeterministic THEN 'deterministic' ELSE 'nondeterministic' END)
              FROM pg_collation c
              WHERE c.collnamespace IN (SELECT oid FROM own_schema)
                AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_collation'::regclass AND m.objid = c.oid)
             ) AS other),
    'routines', (
        SELECT coalesce(json_object_agg(p.oid::text, json_build_object(
            'name', p.name,
            'kind', p.prokind,
            'definition', concat_ws(' ', pg_get_function_arguments(p.oid), 'returns', pg_get_function_result(p.oid),
                                    l.lanname, p.provolatile, p.proisstrict, p.prosecdef, p.proleakproof, p.proparallel,
                                    p.procost, p.prorows, p.proconfig, nullif(p.prosupport, 0)::regproc),
            'body', md5(concat(p.prosrc, p.probin, p.prosqlbody::text,
                               (SELECT a::text FROM pg_aggregate a WHERE a.aggfnoid = p.oid))))), '{}')
        FROM routine p JOIN pg_language l ON l.oid = p.prolang),
    'details', '[]'::json,
    'comments', (
        SELECT coalesce(json_object_agg(concat_ws(' ', (d).classoid, (d).objoid, (d).objsubid), json_build_object(
            'what', what, 'text', (d).description)), '{}')
        FROM commented)
)::text
