WITH RECURSIVE found AS (
    SELECT p.oid::int8 AS oid,
           n.nspname AS schema,
           p.proname AS name,
           p.prokind = 'p' AS is_procedure,
           p.provolatile = 'v' AS is_volatile,
           p.prorettype = 'pg_catalog.record'::pg_catalog.regtype
               AND NOT COALESCE(p.proargmodes && '{o,b,t}'::"char"[], false) AS returns_bare_record,
           p.pronargdefaults AS defaults,
           COALESCE(p.proallargtypes, p.proargtypes::oid[])::int8[] AS types,
           p.proargmodes::text[] AS modes,
           p.proargnames AS names,
           COALESCE(pg_catalog.pg_get_function_arguments(p.oid), '') AS arguments,
           pg_catalog.array_position(pg_catalog.current_schemas(false), n.nspname) AS place
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE p.proname = $1::text::name
      AND CASE WHEN $2::text IS NULL THEN n.nspname = ANY (pg_catalog.current_schemas(false)) ELSE n.nspname = $2 END
      AND n.nspname !~ '^pg_'
      AND n.nspname <> 'information_schema'
      AND p.prokind IN ('f', 'p')
      AND p.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_depend AS d
          WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
      )
), used AS (
    SELECT pg_catalog.unnest(types) AS oid FROM found
    UNION
    SELECT part.oid
    FROM used
    JOIN pg_catalog.pg_type AS t ON t.oid = used.oid
    CROSS JOIN LATERAL (
        SELECT t.typelem::int8 AS oid WHERE t.typelem <> 0
        UNION ALL
        SELECT t.typbasetype::int8 WHERE t.typtype = 'd'
        UNION ALL
        SELECT a.atttypid::int8
        FROM pg_catalog.pg_attribute AS a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS part
), described AS (
    SELECT t.oid::int8 AS oid,
           pg_catalog.format('%I.%I', n.nspname, t.typname) AS sql,
           t.typname AS name,
           t.typtype AS type,
           t.typcategory AS category,
           t.typispreferred AS preferred,
           -- Not of those that only look like arrays: point, int2vector.
           CASE WHEN e.typarray = t.oid THEN e.oid::int8 END AS element,
           e.typdelim AS delimiter,
           CASE WHEN t.typtype = 'd' THEN t.typbasetype::int8 END AS base,
           -- By what reads it: anybody may call a type hstore, but only superusers make functions in C. Looked for once, and
           -- only where a type may be one: estimated for each type, it had the whole question compiled (JIT), for 30 ms or more.
           t.typtype = 'b' AND t.typinput >= 16384::oid AND t.typinput::oid IN (
               SELECT i.oid FROM pg_catalog.pg_proc AS i
               JOIN pg_catalog.pg_language AS l ON l.oid = i.prolang
               WHERE l.lanname = 'c' AND i.prosrc = 'hstore_in' AND i.probin ~ '(^|/)hstore$'
           ) AS is_hstore,
           CASE WHEN t.typtype = 'c' THEN (
               SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'type', a.atttypid::int8) ORDER BY a.attnum)
               FROM pg_catalog.pg_attribute AS a
               WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
           ) END AS attributes
    -- The limit is for the planner, which otherwise thinks of so many rows that it compiles the query (JIT) for 40 ms.
    FROM (SELECT used.oid FROM used LIMIT 3000) AS wanted
    JOIN pg_catalog.pg_type AS t ON t.oid = wanted.oid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem
)
SELECT pg_catalog.json_build_object(
    'functions', (SELECT pg_catalog.json_agg(found ORDER BY found.place, found.oid) FROM found),
    'types', (SELECT pg_catalog.json_agg(described) FROM described)
)::text
