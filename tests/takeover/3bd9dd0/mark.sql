(SELECT coalesce(sum(pg_catalog.hashtextextended(
                     catalog || ' ' || id || ' ' || part || ' ' || written_by, 0)), 0)::text || '/' || count(*)
          FROM (SELECT 0 AS catalog, oid AS id, 0 AS part, xmin AS written_by
                 FROM pg_catalog.pg_class WHERE oid >= 16384 AND relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_') UNION ALL SELECT 1 AS catalog, attrelid AS id, attnum AS part, xmin AS written_by
                 FROM pg_catalog.pg_attribute WHERE attrelid >= 16384 AND attrelid NOT IN (SELECT oid FROM pg_catalog.pg_class WHERE oid >= 16384 AND relpersistence = 't') UNION ALL SELECT 2 AS catalog, oid AS id, 0 AS part, xmin AS written_by
                 FROM pg_catalog.pg_constraint WHERE oid >= 16384 AND connamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_') UNION ALL SELECT 3 AS catalog, oid AS id, 0 AS part, xmin AS written_by
                 FROM pg_catalog.pg_type WHERE oid >= 16384 AND typnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_') UNION ALL SELECT 4 AS catalog, oid AS id, 0 AS part, xmin AS written_by
                 FROM pg_catalog.pg_proc WHERE oid >= 16384 AND pronamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_') UNION ALL SELECT 5 AS catalog, oid AS id, 0 AS part, xmin AS written_by
                 FROM pg_catalog.pg_enum WHERE oid >= 16384 UNION ALL SELECT 6 AS catalog, oid AS id, 0 AS part, xmin AS written_by
                 FROM pg_catalog.pg_trigger WHERE oid >= 16384 AND tgrelid NOT IN (SELECT oid FROM pg_catalog.pg_class WHERE oid >= 16384 AND relpersistence = 't') UNION ALL SELECT 7 AS catalog, oid AS id, 0 AS part, xmin AS written_by
                 FROM pg_catalog.pg_rewrite WHERE oid >= 16384 AND ev_class NOT IN (SELECT oid FROM pg_catalog.pg_class WHERE oid >= 16384 AND relpersistence = 't') UNION ALL SELECT 8 AS catalog, oid AS id, 0 AS part, xmin AS written_by
                 FROM pg_catalog.pg_policy WHERE oid >= 16384 AND polrelid NOT IN (SELECT oid FROM pg_catalog.pg_class WHERE oid >= 16384 AND relpersistence = 't') UNION ALL SELECT 9 AS catalog, oid AS id, 0 AS part, xmin AS written_by
                 FROM pg_catalog.pg_namespace WHERE oid >= 16384 AND oid NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_') UNION ALL SELECT 10 AS catalog, seqrelid AS id, 0 AS part, xmin AS written_by
                 FROM pg_catalog.pg_sequence WHERE seqrelid >= 16384 AND seqrelid NOT IN (SELECT oid FROM pg_catalog.pg_class WHERE oid >= 16384 AND relpersistence = 't') UNION ALL SELECT 11 AS catalog, objoid AS id, objsubid AS part, xmin AS written_by
                 FROM pg_catalog.pg_description WHERE objoid >= 16384) AS rows)
