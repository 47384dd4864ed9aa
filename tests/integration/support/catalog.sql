-- Everything that a schema consists of, one line of words for each fact, without oids: two databases with the same lines
-- have the same schema. What an extension brought and the gateway's own tables stay out.
WITH
own_schema AS (
    SELECT n.oid, n.nspname
    FROM pg_namespace n
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%'
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
),
of_extension AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
),
gateways AS (
    SELECT oid FROM pg_class WHERE relname LIKE '\_stonescriptdb\_gateway\_%'
),
relation AS (
    SELECT c.*, c.oid::regclass::text AS name
    FROM pg_class c JOIN own_schema s ON s.oid = c.relnamespace
    WHERE c.oid NOT IN (SELECT oid FROM gateways)
      AND c.oid NOT IN (SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM gateways))
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.refobjid IN (SELECT oid FROM gateways) AND d.deptype IN ('a', 'i'))
      AND NOT EXISTS (SELECT FROM of_extension e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
),
routine AS (
    SELECT p.*, p.oid::regprocedure::text AS name
    FROM pg_proc p JOIN own_schema s ON s.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM of_extension e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
),
own_type AS (
    SELECT t.*, t.oid::regtype::text AS name
    FROM pg_type t JOIN own_schema s ON s.oid = t.typnamespace
    WHERE NOT EXISTS (SELECT FROM of_extension e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)
),
fact (line) AS (
    SELECT format('schema %I', nspname) FROM own_schema
    UNION ALL
    SELECT format('extension %I %s in %I', e.extname, e.extversion, n.nspname)
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    UNION ALL
    -- Types
    SELECT format('enum %s: %s', t.name, string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder))
    FROM own_type t JOIN pg_enum e ON e.enumtypid = t.oid GROUP BY t.name
    UNION ALL
    SELECT format('domain %s is %s%s default %s', t.name, format_type(t.typbasetype, t.typtypmod),
                  CASE WHEN t.typnotnull THEN ' not null' ELSE '' END, coalesce(t.typdefault, 'none'))
    FROM own_type t WHERE t.typtype = 'd'
    UNION ALL
    SELECT format('domain %s constraint %I %s', t.name, c.conname, pg_get_constraintdef(c.oid))
    FROM own_type t JOIN pg_constraint c ON c.contypid = t.oid
    UNION ALL
    SELECT format('range %s over %s', t.name, format_type(r.rngsubtype, NULL))
    FROM own_type t JOIN pg_range r ON r.rngtypid = t.oid
    UNION ALL
    SELECT format('collation %s: %s %s', c.oid::regcollation, c.collprovider, to_jsonb(c) - 'oid' - 'collnamespace' - 'collowner')
    FROM pg_collation c JOIN own_schema s ON s.oid = c.collnamespace
    UNION ALL
    -- Relations
    SELECT format('relation %s: kind %s, persistence %s, options %s, row security %s/%s, replica identity %s', name, relkind,
                  relpersistence, coalesce(array_to_string(reloptions, ','), 'none'), relrowsecurity, relforcerowsecurity,
                  relreplident)
    FROM relation WHERE relkind <> 't'
    UNION ALL
    SELECT format('partitioned %s by %s', name, pg_get_partkeydef(oid)) FROM relation WHERE relkind = 'p'
    UNION ALL
    SELECT format('partition %s %s', name, pg_get_expr(relpartbound, oid)) FROM relation WHERE relispartition
    UNION ALL
    SELECT format('%s inherits %s as number %s', r.name, i.inhparent::regclass, i.inhseqno)
    FROM relation r JOIN pg_inherits i ON i.inhrelid = r.oid
    UNION ALL
    SELECT format('column %s %s: %I %s collate %s%s%s%s%s%s', r.name, a.attnum, a.attname,
                  format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation,
                  CASE WHEN a.attnotnull THEN ' not null' ELSE '' END,
                  CASE WHEN a.attidentity <> '' THEN ' identity ' || a.attidentity::text ELSE '' END,
                  CASE WHEN a.attgenerated <> '' THEN ' generated ' || a.attgenerated::text ELSE '' END,
                  CASE WHEN a.attislocal THEN '' ELSE ' inherited' END,
                  coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), ''))
    FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE r.relkind IN ('r', 'p', 'v', 'm', 'c', 'f')
    UNION ALL
    -- What partitions have of a foreign key goes with it; its name, and whether it was validated, tell only what was there
    -- when. No dump has it. So does the name that PostgreSQL 18 gives a NOT NULL: it has the table's and the column's of that time.
    SELECT format('constraint %s %s %s validated %s, local %s', r.name,
                  CASE WHEN c.contype = 'n' AND c.conname ~ '_not_null[0-9]*$' THEN '-' ELSE quote_ident(c.conname) END,
                  pg_get_constraintdef(c.oid), c.convalidated, c.conislocal)
    FROM relation r JOIN pg_constraint c ON c.conrelid = r.oid WHERE NOT (c.contype = 'f' AND c.conparentid <> 0)
    UNION ALL
    SELECT format('index %s, valid %s, clustered %s', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered)
    FROM relation r JOIN pg_index i ON i.indexrelid = r.oid
    UNION ALL
    SELECT format('view %s: %s', name, pg_get_viewdef(oid)) FROM relation WHERE relkind IN ('v', 'm')
    UNION ALL
    SELECT format('sequence %s: %s from %s to %s by %s, cache %s, cycle %s, owned by %s', r.name,
                  format_type(s.seqtypid, NULL), s.seqstart, s.seqmax, s.seqincrement, s.seqcache, s.seqcycle,
                  coalesce((SELECT format('%s.%s', d.refobjid::regclass, d.refobjsubid) FROM pg_depend d
                            WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype IN ('a', 'i')
                              AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0), 'none'))
    FROM relation r JOIN pg_sequence s ON s.seqrelid = r.oid
    UNION ALL
    SELECT format('trigger %s, enabled %s', pg_get_triggerdef(t.oid), t.tgenabled)
    FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT format('policy %I on %s for %s, permissive %s, using %s, check %s', p.polname, r.name, p.polcmd, p.polpermissive,
                  coalesce(pg_get_expr(p.polqual, p.polrelid), 'none'),
                  coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'none'))
    FROM relation r JOIN pg_policy p ON p.polrelid = r.oid
    UNION ALL
    SELECT format('rule %s enabled %s', pg_get_ruledef(w.oid), w.ev_enabled)
    FROM relation r JOIN pg_rewrite w ON w.ev_class = r.oid WHERE w.rulename <> '_RETURN'
    UNION ALL
    SELECT format('statistics %s', pg_get_statisticsobjdef(s.oid))
    FROM relation r JOIN pg_statistic_ext s ON s.stxrelid = r.oid
    UNION ALL
    -- Routines
    SELECT CASE WHEN prokind = 'a' THEN format('aggregate %s over %s', name,
                     (SELECT format('%s, %s, %s, %s, %s, %s', a.aggtransfn, a.aggfinalfn, coalesce(a.agginitval, 'none'),
                                    a.aggtranstype::regtype, a.aggsortop::regoperator, proparallel)
                      FROM pg_aggregate a WHERE a.aggfnoid = routine.oid))
                ELSE format('routine %s: %s', name, pg_get_functiondef(oid)) END
    FROM routine
    UNION ALL
    SELECT format('operator %s calls %s, %s %s %s %s %s %s', o.oid::regoperator, o.oprcode, o.oprcom::regoperator, o.oprnegate::regoperator,
                  o.oprrest, o.oprjoin, o.oprcanmerge, o.oprcanhash)
    FROM pg_operator o JOIN own_schema s ON s.oid = o.oprnamespace
    WHERE NOT EXISTS (SELECT FROM of_extension e WHERE e.classid = 'pg_operator'::regclass AND e.objid = o.oid)
    UNION ALL
    SELECT format('cast %s to %s by %s, %s', format_type(c.castsource, NULL), format_type(c.casttarget, NULL),
                  c.castfunc::regprocedure, c.castcontext)
    FROM pg_cast c WHERE c.castfunc IN (SELECT oid FROM routine)
    UNION ALL
    -- What is said about any of them
    SELECT format('comment on %s %s: %s', i.type, i.identity, d.description)
    FROM pg_description d CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
    WHERE (d.classoid, d.objoid) IN (
        SELECT 'pg_class'::regclass, oid FROM relation
        UNION ALL SELECT 'pg_proc'::regclass, oid FROM routine
        UNION ALL SELECT 'pg_type'::regclass, oid FROM own_type
        UNION ALL SELECT 'pg_namespace'::regclass, oid FROM own_schema
        UNION ALL SELECT 'pg_constraint'::regclass, c.oid FROM pg_constraint c JOIN relation r ON r.oid = c.conrelid
        UNION ALL SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid
        UNION ALL SELECT 'pg_statistic_ext'::regclass, e.oid FROM pg_statistic_ext e JOIN relation r ON r.oid = e.stxrelid
        UNION ALL SELECT 'pg_operator'::regclass, o.oid FROM pg_operator o JOIN own_schema s ON s.oid = o.oprnamespace
        UNION ALL SELECT 'pg_rewrite'::regclass, w.oid FROM pg_rewrite w JOIN relation r ON r.oid = w.ev_class
        UNION ALL SELECT 'pg_policy'::regclass, p.oid FROM pg_policy p JOIN relation r ON r.oid = p.polrelid)
    UNION ALL
    -- Storage
    SELECT format('stored %s: toast options %s, access method %s', r.name, coalesce(array_to_string(t.reloptions, ','), 'none'),
                  coalesce((SELECT amname FROM pg_am WHERE oid = r.relam), 'none'))
    FROM relation r LEFT JOIN pg_class t ON t.oid = r.reltoastrelid
    UNION ALL
    SELECT format('stored column %s.%s: storage %s, compression %s, statistics %s, options %s', r.name, a.attname, a.attstorage,
                  coalesce(nullif(a.attcompression, ''), 'default'), coalesce(nullif(a.attstattarget, -1)::text, 'default'),
                  -- Not what PostgreSQL itself keeps there since the last minor versions.
                  coalesce((SELECT string_agg(o, ',') FROM unnest(a.attoptions) o WHERE NOT starts_with(o, 'pg_')), 'none'))
    FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE r.relkind IN ('r', 'p', 'm', 'f')
    UNION ALL
    SELECT format('index %s, its column %s: statistics %s', r.name, a.attnum, a.attstattarget)
    FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attstattarget >= 0
    WHERE r.relkind IN ('i', 'I')
    UNION ALL
    SELECT format('index %s is the replica identity of %s', i.indexrelid::regclass, r.name)
    FROM relation r JOIN pg_index i ON i.indrelid = r.oid WHERE i.indisreplident
    UNION ALL
    SELECT format('statistics %I: target %s', s.name, coalesce(nullif(s.stxstattarget, -1)::text, 'default'))
    FROM (SELECT e.*, e.stxname AS name FROM pg_statistic_ext e JOIN relation r ON r.oid = e.stxrelid) s
    UNION ALL
    -- Publications
    SELECT format('publication %I: %s', p.pubname, to_jsonb(p) - 'oid' - 'pubname')
    FROM pg_publication p
    UNION ALL
    SELECT format('publication %I tells of %s, columns %s, where %s', p.pubname, t.prrelid::regclass,
                  coalesce((SELECT string_agg(a.attname, ', ' ORDER BY a.attname) FROM pg_attribute a
                            WHERE a.attrelid = t.prrelid AND a.attnum = ANY (t.prattrs)), 'all'),
                  coalesce(pg_get_expr(t.prqual, t.prrelid), 'none'))
    FROM pg_publication_rel t JOIN pg_publication p ON p.oid = t.prpubid
    UNION ALL
    SELECT format('publication %I tells of schema %s', p.pubname, n.pnnspid::regnamespace)
    FROM pg_publication_namespace n JOIN pg_publication p ON p.oid = n.pnpubid
    UNION ALL
    SELECT format('comment on publication %I: %s', p.pubname, obj_description(p.oid, 'pg_publication'))
    FROM pg_publication p WHERE obj_description(p.oid, 'pg_publication') IS NOT NULL
    UNION ALL
    -- Where nobody has said anything, the rights that are built in.
    SELECT format('right on schema %s: %s', nspname, concat_ws(' ', e.privilege_type, 'of', CASE e.grantee WHEN nspowner THEN 'its owner' ELSE e.grantee::regrole::text END, e.is_grantable))
    FROM pg_namespace CROSS JOIN LATERAL aclexplode(coalesce(nspacl, acldefault('n', nspowner))) e
    WHERE oid IN (SELECT oid FROM own_schema) AND nspname <> 'public'
    UNION ALL
    SELECT format('right on %s: %s', r.name, concat_ws(' ', e.privilege_type, 'of', CASE e.grantee WHEN r.relowner THEN 'its owner' ELSE e.grantee::regrole::text END, e.is_grantable))
    FROM relation r CROSS JOIN LATERAL aclexplode(coalesce(r.relacl, acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", r.relowner))) e
    WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT format('right on %s.%I: %s', r.name, a.attname, concat_ws(' ', e.privilege_type, 'of', CASE e.grantee WHEN r.relowner THEN 'its owner' ELSE e.grantee::regrole::text END, e.is_grantable))
    FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND NOT a.attisdropped CROSS JOIN LATERAL aclexplode(a.attacl) e
    UNION ALL
    SELECT format('right on %s: %s', r.name, concat_ws(' ', e.privilege_type, 'of', CASE e.grantee WHEN r.proowner THEN 'its owner' ELSE e.grantee::regrole::text END, e.is_grantable))
    FROM routine r CROSS JOIN LATERAL aclexplode(coalesce(r.proacl, acldefault('f', r.proowner))) e
    UNION ALL
    SELECT format('right on %s: %s', t.name, concat_ws(' ', e.privilege_type, 'of', CASE e.grantee WHEN t.typowner THEN 'its owner' ELSE e.grantee::regrole::text END, e.is_grantable))
    FROM own_type t CROSS JOIN LATERAL aclexplode(coalesce(t.typacl, acldefault('T', t.typowner))) e
    WHERE t.typtype IN ('e', 'd', 'r')
)
SELECT line FROM fact ORDER BY line COLLATE "C"
