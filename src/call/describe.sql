WITH RECURSIVE found AS (
    SELECT p.oid::int8 AS oid,
           n.nspname AS schema,
           p.proname AS name,
           p.prokind = 'p' AS is_procedure,
           p.proretset AS returns_set,
           p.prorettype::int8 AS result,
           p.pronargdefaults AS defaults,
           COALESCE(p.proallargtypes, p.proargtypes::oid[])::int8[] AS types,
           p.proargmodes::text[] AS modes,
           p.proargnames AS names,
           COALESCE(pg_catalog.pg_get_function_identity_arguments(p.oid), '') AS arguments,
           pg_catalog."left"(pg_catalog.obj_description(p.oid, 'pg_proc'), 2000) AS comment,
           pg_catalog.array_position(pg_catalog.current_schemas(false), n.nspname) AS place
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_'
      AND n.nspname <> 'information_schema'
      -- What a call may name.
      AND p.proname ~ '^[a-z_][a-z0-9_]*$'
      AND p.proname !~ '^_stonescriptdb_gateway'
      AND n.nspname ~ '^[a-z_][a-z0-9_]*$'
      AND p.prokind IN ('f', 'p')
      AND p.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
      AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
      AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_depend AS d
          WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
      )
    ORDER BY n.nspname, p.proname, p.oid
    -- One more than a document has (MOST): then it says so.
    LIMIT 1001
), used AS (
    SELECT pg_catalog.unnest(types) AS oid FROM found
    UNION
    SELECT result FROM found
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
           -- Names of PostgreSQL's own types mean something; a type of the database may be called the same.
           CASE WHEN n.nspname = 'pg_catalog' THEN t.typname END AS name,
           pg_catalog.format_type(t.oid, NULL) AS printed,
           t.typtype AS type,
           CASE WHEN e.typarray = t.oid THEN e.oid::int8 END AS element,
           CASE WHEN t.typtype = 'd' THEN t.typbasetype::int8 END AS base,
           CASE WHEN t.typtype = 'e' THEN (
               SELECT pg_catalog.json_agg(l.enumlabel ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum AS l WHERE l.enumtypid = t.oid
           ) END AS labels,
           CASE WHEN t.typtype = 'c' THEN (
               SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'type', a.atttypid::int8) ORDER BY a.attnum)
               FROM pg_catalog.pg_attribute AS a
               WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
           ) END AS attributes
    FROM (SELECT used.oid FROM used) AS wanted
    JOIN pg_catalog.pg_type AS t ON t.oid = wanted.oid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem
)
SELECT CASE WHEN pg_catalog.octet_length(whole.told) > 1048576
            THEN pg_catalog.json_build_object('bytes', pg_catalog.octet_length(whole.told))::text ELSE whole.told END
FROM (
    SELECT pg_catalog.json_build_object(
        'functions', (SELECT pg_catalog.json_agg(found ORDER BY found.place, found.schema, found.name, found.arguments) FROM found),
        'types', (SELECT pg_catalog.json_agg(described) FROM described)
    )::text AS told
) AS whole
