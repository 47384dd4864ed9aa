-- What decides which functions leave what in their session: see tidy/catalog.rs. One row: a text that is another one
-- after every change to any of it, and unless that is $1, the texts themselves as JSON. Only what was made after initdb
-- counts (oid 16384 and above), and of what PostgreSQL brings the names of what is volatile. Temporary objects do not: they
-- are of a session that is cleaned. Joins instead of subqueries for each row, which would be planned at a price at which
-- PostgreSQL compiles them (JIT), though they are hardly ever run.
WITH RECURSIVE temporary AS MATERIALIZED (
    SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_'
), active AS (
    -- Relations for which something is run that is not named, or that are elsewhere.
    SELECT tgrelid AS relation, tgfoid AS function, NULL::text AS text, false AS foreign
    FROM pg_catalog.pg_trigger WHERE oid >= 16384 AND tgfoid >= 16384
    UNION ALL
    -- Their conditions.
    SELECT t.tgrelid, d.refobjid, NULL, false
    FROM pg_catalog.pg_depend AS d
    JOIN pg_catalog.pg_trigger AS t ON t.oid = d.objid
    WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
      AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid >= 16384
    UNION ALL
    SELECT t.tgrelid, NULL, found.text, false
    FROM pg_catalog.pg_trigger AS t
    CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_triggerdef(t.oid) AS text) AS found
    WHERE t.oid >= 16384 AND t.tgqual IS NOT NULL AND found.text ~ '_to_xml|ts_stat|ts_rewrite'
    UNION ALL
    -- What refreshing a materialized view runs.
    SELECT c.oid, NULL, pg_catalog.pg_get_viewdef(c.oid), false
    FROM pg_catalog.pg_class AS c WHERE c.oid >= 16384 AND c.relkind = 'm'
    UNION ALL
    SELECT a.adrelid, d.refobjid, NULL, false
    FROM pg_catalog.pg_depend AS d
    JOIN pg_catalog.pg_attrdef AS a ON a.oid = d.objid
    WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
      AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid >= 16384
    UNION ALL
    -- PostgreSQL's own that run text are in nobody's pg_depend.
    SELECT a.adrelid, NULL, found.text, false
    FROM pg_catalog.pg_attrdef AS a
    CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_expr(a.adbin, a.adrelid) AS text) AS found
    WHERE a.oid >= 16384 AND found.text ~ '_to_xml|ts_stat|ts_rewrite'
    UNION ALL
    SELECT k.conrelid, NULL, found.text, false
    FROM pg_catalog.pg_constraint AS k
    CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_constraintdef(k.oid) AS text) AS found
    WHERE k.oid >= 16384 AND k.contype = 'c' AND k.conrelid <> 0 AND found.text ~ '_to_xml|ts_stat|ts_rewrite'
    UNION ALL
    SELECT ev_class, NULL, pg_catalog.pg_get_ruledef(oid), false
    FROM pg_catalog.pg_rewrite WHERE oid >= 16384 AND ev_type <> '1'
    UNION ALL
    SELECT oid, NULL, NULL, true FROM pg_catalog.pg_class WHERE oid >= 16384 AND relkind = 'f'
), leads AS (
    -- Who writes to the one may make PostgreSQL write to the other: keys that cascade, partitions.
    SELECT confrelid AS one, conrelid AS other FROM pg_catalog.pg_constraint WHERE contype = 'f'
    UNION ALL
    SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits
), reached AS (
    SELECT relation AS named, relation FROM active
    UNION
    SELECT leads.one, reached.relation FROM reached JOIN leads ON leads.other = reached.named
)
SELECT mark.text,
       CASE WHEN mark.text IS DISTINCT FROM $1::text THEN pg_catalog.json_build_object(
           -- Whether words are read here as the server reads them: it cuts names in its own encoding.
           'readable', pg_catalog.current_setting('standard_conforming_strings') = 'on'
                       AND NOT EXISTS (
                           SELECT FROM pg_catalog.pg_proc
                           WHERE oid >= 16384
                             AND pg_catalog.concat(prosrc, proconfig::text) ~* 'standard_conforming_strings'
                       )
                       AND pg_catalog.getdatabaseencoding() = 'UTF8',
           'forbidden', (
               SELECT pg_catalog.json_agg(DISTINCT p.proname)
               FROM pg_catalog.pg_proc AS p
               WHERE p.oid < 16384
                 AND (p.provolatile = 'v'
                          AND p.prorettype <> 'pg_catalog.tsm_handler'::pg_catalog.regtype
                          -- What a session has of its own, but what changes nothing for anybody.
                          AND p.proname NOT IN ('random', 'random_normal', 'clock_timestamp', 'timeofday',
                                                'gen_random_uuid', 'uuidv4', 'uuidv7')
                      -- They read whatever relation their parameters name.
                      OR p.proname ~ '_to_xml(schema|_and_xmlschema)?$')
           ),
           'functions', (
               SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                   'oid', p.oid::int8,
                   'name', p.proname,
                   'language', CASE p.prokind WHEN 'a' THEN 'aggregate' ELSE l.lanname END,
                   'bound', p.provolatile <> 'v' AND p.prokind <> 'p',
                   'extension', belongs.extname,
                   -- Defaults and domains are part of a call.
                   'text', pg_catalog.concat_ws(' ',
                       pg_catalog.pg_get_function_arguments(p.oid),
                       pg_catalog.pg_get_function_result(p.oid),
                       CASE WHEN l.lanname IN ('sql', 'plpgsql')
                            THEN COALESCE(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) END),
                   'uses', parts.uses))
               FROM pg_catalog.pg_proc AS p
               JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
               LEFT JOIN (
                   SELECT d.objid, e.extname
                   FROM pg_catalog.pg_depend AS d
                   JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
                   WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                     AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
               ) AS belongs ON belongs.objid = p.oid
               LEFT JOIN (
                   SELECT a.aggfnoid::oid AS oid, pg_catalog.json_agg(f.oid::int8) AS uses
                   FROM pg_catalog.pg_aggregate AS a
                   CROSS JOIN LATERAL (VALUES (a.aggtransfn::oid), (a.aggfinalfn), (a.aggcombinefn),
                       (a.aggserialfn), (a.aggdeserialfn), (a.aggmtransfn), (a.aggminvtransfn), (a.aggmfinalfn)
                   ) AS part (oid)
                   JOIN pg_catalog.pg_proc AS f ON f.oid = part.oid
                   WHERE a.aggfnoid >= 16384 AND (f.oid >= 16384 OR f.provolatile = 'v')
                   GROUP BY a.aggfnoid
               ) AS parts ON parts.oid = p.oid
               WHERE p.oid >= 16384 AND p.pronamespace NOT IN (SELECT oid FROM temporary)
           ),
           'views', (
               SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                   'name', c.relname, 'text', pg_catalog.pg_get_viewdef(c.oid)))
               FROM pg_catalog.pg_class AS c
               WHERE c.oid >= 16384 AND c.relkind = 'v' AND c.relpersistence <> 't'
           ),
           'tables', (
               SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                   'name', of.name, 'functions', of.functions, 'text', of.text, 'foreign', of.foreign))
               FROM (
                   SELECT c.relname AS name,
                          pg_catalog.json_agg(DISTINCT active.function::int8)
                              FILTER (WHERE active.function IS NOT NULL) AS functions,
                          pg_catalog.string_agg(active.text, ' ') AS text,
                          pg_catalog.bool_or(active.foreign) AS foreign
                   FROM reached
                   JOIN active ON active.relation = reached.relation
                   JOIN pg_catalog.pg_class AS c ON c.oid = reached.named
                   WHERE c.relpersistence <> 't'
                   GROUP BY c.oid, c.relname
                   UNION ALL
                   -- Event triggers, for the words that statements begin with which they may be for.
                   SELECT beginning.word, pg_catalog.json_agg(e.evtfoid::int8), NULL, false
                   FROM pg_catalog.pg_event_trigger AS e
                   CROSS JOIN pg_catalog.unnest('{create,alter,drop,comment,grant,revoke,refresh,import,security,reindex}'::text[])
                       AS beginning (word)
                   GROUP BY beginning.word
               ) AS of
           ),
           -- What is run without being named: policies, checks of domains, and the functions behind operators, casts, types
           -- and the expressions of tables.
           'unnamed', (
               SELECT pg_catalog.json_agg(unnamed.text)
               FROM (
                   SELECT pg_catalog.pg_get_expr(polqual, polrelid) AS text FROM pg_catalog.pg_policy WHERE oid >= 16384
                   UNION ALL
                   SELECT pg_catalog.pg_get_expr(polwithcheck, polrelid) FROM pg_catalog.pg_policy WHERE oid >= 16384
                   UNION ALL
                   SELECT pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint
                   WHERE oid >= 16384 AND contypid <> 0
                   UNION ALL
                   -- The defaults of domains.
                   SELECT typdefault FROM pg_catalog.pg_type WHERE oid >= 16384 AND typtype = 'd'
               ) AS unnamed
               WHERE unnamed.text IS NOT NULL
           ),
           'used', (
               SELECT pg_catalog.json_agg(DISTINCT f.oid::int8)
               FROM (
                   SELECT oprcode::oid AS oid FROM pg_catalog.pg_operator WHERE oid >= 16384
                   UNION ALL SELECT castfunc FROM pg_catalog.pg_cast WHERE oid >= 16384
                   UNION ALL SELECT amproc FROM pg_catalog.pg_amproc WHERE oid >= 16384
                   UNION ALL SELECT rngcanonical FROM pg_catalog.pg_range WHERE rngtypid >= 16384
                   UNION ALL SELECT rngsubdiff FROM pg_catalog.pg_range WHERE rngtypid >= 16384
                   -- Of indexes, partition keys, statistics and checks: the planner runs what is constant in them.
                   UNION ALL
                   SELECT refobjid FROM pg_catalog.pg_depend
                   WHERE refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND refobjid >= 16384
                     AND classid IN ('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_constraint'::pg_catalog.regclass,
                                     'pg_catalog.pg_statistic_ext'::pg_catalog.regclass)
               ) AS used
               JOIN pg_catalog.pg_proc AS f ON f.oid = used.oid
               WHERE f.oid >= 16384 OR f.provolatile = 'v'
           )
       )::text END
FROM (
    SELECT pg_catalog.concat_ws('/', pg_catalog.current_setting('standard_conforming_strings'), pg_catalog.count(*),
               pg_catalog.sum(pg_catalog.hashtextextended(catalog || ' ' || id || ' ' || written_by, 0))) AS text
    FROM (
        SELECT 'function' AS catalog, oid AS id, xmin::text AS written_by FROM pg_catalog.pg_proc
        WHERE oid >= 16384 AND pronamespace NOT IN (SELECT oid FROM temporary)
        UNION ALL SELECT 'aggregate', aggfnoid, xmin::text FROM pg_catalog.pg_aggregate WHERE aggfnoid >= 16384
        UNION ALL
        SELECT 'view', r.oid, r.xmin::text FROM pg_catalog.pg_rewrite AS r JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
        WHERE r.oid >= 16384 AND c.relpersistence <> 't'
        UNION ALL
        SELECT 'relation', oid, xmin::text FROM pg_catalog.pg_class
        WHERE oid >= 16384 AND relkind IN ('v', 'm', 'f') AND relpersistence <> 't'
        UNION ALL
        -- What leads to triggers and rules is a name.
        SELECT 'table', oid, relname::text FROM pg_catalog.pg_class
        WHERE oid >= 16384 AND (relhastriggers OR relhasrules) AND relkind IN ('r', 'p') AND relpersistence <> 't'
        UNION ALL SELECT 'policy', oid, xmin::text FROM pg_catalog.pg_policy WHERE oid >= 16384
        UNION ALL SELECT 'check', oid, xmin::text FROM pg_catalog.pg_constraint WHERE oid >= 16384 AND contypid <> 0
        UNION ALL
        SELECT 'key', k.oid, k.xmin::text FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
        WHERE k.oid >= 16384 AND k.contype = 'f' AND c.relpersistence <> 't'
        UNION ALL
        SELECT 'child', c.oid, i.xmin::text FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
        WHERE c.oid >= 16384 AND c.relpersistence <> 't'
        UNION ALL SELECT 'extension', oid, xmin::text FROM pg_catalog.pg_extension
        UNION ALL SELECT 'language', oid, xmin::text FROM pg_catalog.pg_language
        UNION ALL SELECT 'domain', oid, xmin::text FROM pg_catalog.pg_type WHERE oid >= 16384 AND typtype = 'd'
        UNION ALL SELECT 'operator', oid, xmin::text FROM pg_catalog.pg_operator WHERE oid >= 16384
        UNION ALL SELECT 'cast', oid, xmin::text FROM pg_catalog.pg_cast WHERE oid >= 16384
        UNION ALL SELECT 'support', oid, xmin::text FROM pg_catalog.pg_amproc WHERE oid >= 16384
        UNION ALL SELECT 'range', rngtypid, xmin::text FROM pg_catalog.pg_range WHERE rngtypid >= 16384
        UNION ALL
        SELECT 'expression', objid, xmin::text FROM pg_catalog.pg_depend
        WHERE refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND refobjid >= 16384
          AND classid IN ('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_constraint'::pg_catalog.regclass,
                          'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass,
                          'pg_catalog.pg_attrdef'::pg_catalog.regclass,
                          'pg_catalog.pg_event_trigger'::pg_catalog.regclass)
    ) AS rows
) AS mark
