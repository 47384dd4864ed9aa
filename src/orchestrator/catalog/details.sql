-- What a schema has beside tables, types and functions themselves, a row for each fact, as one JSON text; the shape is
-- `Detail` in catalog/details.rs. `name` is the same in every database of one bundle, `key` in every snapshot of one
-- database; `make` brings about what `words` says, `drop` takes it back to what it is where nobody says anything.
WITH own_schema AS MATERIALIZED (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl FROM pg_namespace n
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
),
member AS MATERIALIZED (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
),
relation AS MATERIALIZED (
    SELECT c.oid, c.relkind, c.relowner, c.relacl, c.relreplident, c.relpersistence, c.relispopulated, c.reltoastrelid,
           c.reloftype, c.oid::regclass::text AS name
    FROM pg_class c
    WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
      AND c.relnamespace IN (SELECT oid FROM own_schema)
      AND c.relname NOT LIKE '\_stonescriptdb\_gateway\_%'
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
),
attribute AS MATERIALIZED (
    SELECT a.attrelid, a.attnum, a.attacl, a.attcompression, a.attoptions, a.attstorage, r.relkind, r.relowner,
           r.name AS relation, quote_ident(a.attname) AS name, a.atttypid,
           -- NULL since PostgreSQL 17 where nobody has set it, -1 before.
           nullif((to_jsonb(a) ->> 'attstattarget')::int, -1) AS target
    FROM pg_attribute a JOIN relation r ON r.oid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind <> 'S'
),
routine AS MATERIALIZED (
    SELECT p.oid, p.oid::regprocedure::text AS name, p.proowner, p.proacl
    FROM pg_proc p
    WHERE p.oid >= 16384 AND p.pronamespace IN (SELECT oid FROM own_schema)
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')
),
own_type AS MATERIALIZED (
    SELECT t.oid, t.typtype, t.oid::regtype::text AS name, t.typowner, t.typacl
    FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.oid >= 16384 AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c')
      AND t.typnamespace IN (SELECT oid FROM own_schema)
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
),
server AS MATERIALIZED (
    SELECT s.*, w.fdwname FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_foreign_server'::regclass AND m.objid = s.oid)
),
grantable (class, object, sub, what, part, owner, acl, normal) AS (
    SELECT 'r', r.oid, 0, CASE WHEN r.relkind = 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || r.name, '', r.relowner, r.relacl,
           acldefault(CASE WHEN r.relkind = 'S' THEN 's' ELSE 'r' END::"char", r.relowner)
    FROM relation r WHERE r.relacl IS NOT NULL
    UNION ALL
    SELECT 'r', a.attrelid, a.attnum::int, 'TABLE ' || a.relation, format(' (%s)', a.name), a.relowner, a.attacl, NULL
    FROM attribute a WHERE a.attacl IS NOT NULL
    UNION ALL
    SELECT 'f', p.oid, 0, 'ROUTINE ' || p.name, '', p.proowner, p.proacl, acldefault('f', p.proowner)
    FROM routine p WHERE p.proacl IS NOT NULL
    UNION ALL
    SELECT 't', t.oid, 0, 'TYPE ' || t.name, '', t.typowner, t.typacl, acldefault('T', t.typowner)
    FROM own_type t WHERE t.typacl IS NOT NULL
    UNION ALL
    SELECT 'n', n.oid, 0, 'SCHEMA ' || quote_ident(n.nspname), '', n.nspowner, n.nspacl,
           -- What `public` is given when a cluster is made.
           coalesce((SELECT i.initprivs FROM pg_init_privs i WHERE i.classoid = 'pg_namespace'::regclass AND i.objoid = n.oid),
                    acldefault('n', n.nspowner))
    FROM own_schema n
    WHERE n.nspacl IS NOT NULL
      -- One that the gateway made for extensions is the gateway's.
      AND NOT EXISTS (SELECT FROM pg_extension e WHERE e.extnamespace = n.oid AND n.nspname <> 'public')
    UNION ALL
    SELECT 's', s.oid, 0, 'FOREIGN SERVER ' || quote_ident(s.srvname), '', s.srvowner, s.srvacl, acldefault('S', s.srvowner)
    FROM server s WHERE s.srvacl IS NOT NULL
),
granted AS (
    SELECT g.*, e.*, CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END AS who
    FROM grantable g
    CROSS JOIN LATERAL (
        SELECT x.grantee, x.privilege_type AS privilege, bool_or(x.is_now) AS is_now,
               coalesce(bool_or(x.is_grantable) FILTER (WHERE x.is_now), false) AS is_grantable
        FROM (SELECT y.grantee, y.privilege_type, y.is_grantable AND y.grantee <> g.owner AS is_grantable, true AS is_now
              FROM aclexplode(g.acl) y
              UNION ALL
              SELECT y.grantee, y.privilege_type, false, false FROM aclexplode(g.normal) y) x
        GROUP BY x.grantee, x.privilege_type
        HAVING bool_or(x.is_now) <> bool_or(NOT x.is_now) OR bool_or(x.is_grantable)) e
),
-- `ALTER DEFAULT PRIVILEGES`; what it says of all schemas replaces what is built in, what it says of one is added.
by_default AS (
    SELECT d.oid, e.*, w.kind, n.nspname, CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END AS who,
           concat('ALTER DEFAULT PRIVILEGES',
                  CASE WHEN d.defaclrole <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
                       THEN ' FOR ROLE ' || quote_ident(pg_get_userbyid(d.defaclrole)) END,
                  ' IN SCHEMA ' || quote_ident(n.nspname)) AS alter_default
    FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
    CROSS JOIN LATERAL (SELECT CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES'
                                                    WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' END AS kind) w
    CROSS JOIN LATERAL (
        SELECT x.grantee, x.privilege_type AS privilege, bool_or(x.is_now) AS is_now,
               coalesce(bool_or(x.is_grantable) FILTER (WHERE x.is_now), false) AS is_grantable
        FROM (SELECT y.grantee, y.privilege_type, y.is_grantable AND y.grantee <> d.defaclrole AS is_grantable, true AS is_now
              FROM aclexplode(d.defaclacl) y
              UNION ALL
              SELECT y.grantee, y.privilege_type, false, false
              FROM aclexplode(CASE WHEN n.oid IS NULL
                                   THEN acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END::"char", d.defaclrole)
                              END) y) x
        GROUP BY x.grantee, x.privilege_type
        HAVING bool_or(x.is_now) <> bool_or(NOT x.is_now) OR bool_or(x.is_grantable)) e
    WHERE w.kind IS NOT NULL
),
enabled (state, word) AS (
    VALUES ('O'::"char", 'ENABLE'), ('D'::"char", 'DISABLE'), ('A'::"char", 'ENABLE ALWAYS'), ('R'::"char", 'ENABLE REPLICA')
),
detail (kind, key, name, relation, words, make, drop) AS (
    SELECT 'privilege', concat_ws(' ', class, object, sub, grantee, privilege),
           format('privilege %s%s on %s of %s', privilege, part, what, CASE WHEN grantee = owner THEN 'its owner' ELSE who END),
           CASE WHEN class = 'r' AND what LIKE 'TABLE %' THEN substr(what, 7) END,
           CASE WHEN NOT is_now THEN 'revoked' WHEN is_grantable THEN 'granted with grant option' ELSE 'granted' END,
           CASE WHEN NOT is_now THEN format('REVOKE %s%s ON %s FROM %s', privilege, part, what, who)
                WHEN is_grantable THEN format('GRANT %s%s ON %s TO %s WITH GRANT OPTION', privilege, part, what, who)
                ELSE format('GRANT %1$s%2$s ON %3$s TO %4$s', privilege, part, what, who)
                     || CASE WHEN grantee NOT IN (0, owner)
                             THEN format('; REVOKE GRANT OPTION FOR %s%s ON %s FROM %s', privilege, part, what, who) ELSE '' END END,
           CASE WHEN is_now THEN format('REVOKE %s%s ON %s FROM %s', privilege, part, what, who)
                ELSE format('GRANT %s%s ON %s TO %s', privilege, part, what, who) END
    FROM granted
    UNION ALL
    SELECT 'privilege', concat_ws(' ', 'd', oid, grantee, privilege),
           format('default privilege %s on %s of %s:%s', privilege, kind, who, substr(alter_default, 25)), NULL,
           CASE WHEN NOT is_now THEN 'revoked' WHEN is_grantable THEN 'granted with grant option' ELSE 'granted' END,
           CASE WHEN is_now THEN format('%s GRANT %s ON %s TO %s', alter_default, privilege, kind, who)
                                 || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
                ELSE format('%s REVOKE %s ON %s FROM %s', alter_default, privilege, kind, who) END,
           CASE WHEN is_now THEN format('%s REVOKE %s ON %s FROM %s', alter_default, privilege, kind, who)
                ELSE format('%s GRANT %s ON %s TO %s', alter_default, privilege, kind, who) END
    FROM by_default
    UNION ALL
    -- A trigger of a partition has the state of its parent's, where nobody says otherwise.
    SELECT 'state', 'trigger ' || t.oid, format('state of trigger %I of %s', t.tgname, r.name), r.name, e.word,
           format('ALTER TABLE ONLY %s %s TRIGGER %I', r.name, e.word, t.tgname),
           format('ALTER TABLE ONLY %s %s TRIGGER %I', r.name, coalesce(parents.word, 'ENABLE'), t.tgname)
    FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid JOIN enabled e ON e.state = t.tgenabled
    LEFT JOIN pg_trigger p ON p.oid = t.tgparentid LEFT JOIN enabled parents ON parents.state = p.tgenabled
    WHERE NOT t.tgisinternal AND t.tgenabled <> coalesce(p.tgenabled, 'O')
    UNION ALL
    SELECT 'state', 'rule ' || w.oid, format('state of rule %I of %s', w.rulename, r.name), r.name, e.word,
           format('ALTER TABLE %s %s RULE %I', r.name, e.word, w.rulename), format('ALTER TABLE %s ENABLE RULE %I', r.name, w.rulename)
    FROM pg_rewrite w JOIN relation r ON r.oid = w.ev_class JOIN enabled e ON e.state = w.ev_enabled
    WHERE w.rulename <> '_RETURN' AND w.ev_enabled <> 'O'
    UNION ALL
    SELECT 'state', 'replica identity ' || r.oid, 'replica identity of ' || r.name, r.name, w.word,
           format('ALTER TABLE ONLY %s REPLICA IDENTITY %s', r.name, w.word), format('ALTER TABLE ONLY %s REPLICA IDENTITY DEFAULT', r.name)
    FROM relation r
    LEFT JOIN pg_index i ON i.indrelid = r.oid AND i.indisreplident
    LEFT JOIN pg_class c ON c.oid = i.indexrelid
    CROSS JOIN LATERAL (SELECT CASE r.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING'
                                                   ELSE 'USING INDEX ' || coalesce(quote_ident(c.relname), 'that is gone') END AS word) w
    WHERE r.relkind IN ('r', 'p', 'm') AND r.relreplident <> 'd'
    UNION ALL
    SELECT 'state', 'cluster ' || r.oid, 'cluster order of ' || r.name, r.name, quote_ident(c.relname),
           format('ALTER TABLE %s CLUSTER ON %I', r.name, c.relname), format('ALTER TABLE %s SET WITHOUT CLUSTER', r.name)
    FROM pg_index i JOIN relation r ON r.oid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisclustered
    UNION ALL
    SELECT 'state', format('compression %s %s', a.attrelid, a.attnum), format('compression of column %s.%s', a.relation, a.name), a.relation,
           CASE a.attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END,
           format('ALTER TABLE ONLY %s ALTER COLUMN %s SET COMPRESSION %s', a.relation, a.name,
                  CASE a.attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END),
           format('ALTER TABLE ONLY %s ALTER COLUMN %s SET COMPRESSION default', a.relation, a.name)
    FROM attribute a WHERE a.attcompression <> ''
    UNION ALL
    SELECT 'state', format('statistics target %s %s', a.attrelid, a.attnum), format('statistics target of column %s.%s', a.relation, a.name),
           a.relation, a.target::text, format('ALTER TABLE ONLY %s ALTER COLUMN %s SET STATISTICS %s', a.relation, a.name, a.target),
           format('ALTER TABLE ONLY %s ALTER COLUMN %s SET STATISTICS -1', a.relation, a.name)
    FROM attribute a WHERE a.target IS NOT NULL
    UNION ALL
    SELECT 'state', format('option %s %s %s', a.attrelid, a.attnum, o.name), format('option %s of column %s.%s', o.name, a.relation, a.name),
           a.relation, o.value, format('ALTER TABLE ONLY %s ALTER COLUMN %s SET (%s = %L)', a.relation, a.name, o.name, o.value),
           format('ALTER TABLE ONLY %s ALTER COLUMN %s RESET (%s)', a.relation, a.name, o.name)
    FROM attribute a CROSS JOIN LATERAL (SELECT x.option_name AS name, x.option_value AS value FROM pg_options_to_table(a.attoptions) x) o
    -- PostgreSQL keeps notes of its own there, too.
    WHERE o.name LIKE 'n\_distinct%'
    UNION ALL
    SELECT 'state', format('storage %s %s', a.attrelid, a.attnum), format('storage of column %s.%s', a.relation, a.name), a.relation, s.word,
           format('ALTER TABLE %s ALTER COLUMN %s SET STORAGE %s', a.relation, a.name, s.word),
           format('ALTER TABLE %s ALTER COLUMN %s SET STORAGE %s', a.relation, a.name, s.plain)
    FROM attribute a JOIN pg_type t ON t.oid = a.atttypid AND t.typstorage <> a.attstorage
    CROSS JOIN LATERAL (SELECT w.words[strpos('pemx', a.attstorage::text)] AS word, w.words[strpos('pemx', t.typstorage::text)] AS plain
                        FROM (SELECT ARRAY['PLAIN', 'EXTERNAL', 'MAIN', 'EXTENDED'] AS words) w) s
    WHERE a.relkind = 'm'
    UNION ALL
    SELECT 'state', format('toast option %s %s', r.oid, o.name), format('option toast.%s of %s', o.name, r.name), r.name, o.value,
           format('ALTER TABLE %s SET (toast.%s = %L)', r.name, o.name, o.value), format('ALTER TABLE %s RESET (toast.%s)', r.name, o.name)
    FROM relation r JOIN pg_class c ON c.oid = r.reltoastrelid
    CROSS JOIN LATERAL (SELECT x.option_name AS name, x.option_value AS value FROM pg_options_to_table(c.reloptions) x) o
    UNION ALL
    SELECT 'state', format('statistics target %s %s', i.indexrelid, a.attnum),
           format('statistics target of column %s of index %s', a.attnum, i.indexrelid::regclass), r.name, a.attstattarget::text,
           format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', i.indexrelid::regclass, a.attnum, a.attstattarget),
           format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS -1', i.indexrelid::regclass, a.attnum)
    FROM pg_index i JOIN relation r ON r.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attstattarget >= 0
    WHERE i.indexprs IS NOT NULL
    UNION ALL
    SELECT 'state', 'statistics target of ' || s.oid, format('statistics target of statistics %I of %s', s.stxname, r.name), r.name,
           s.stxstattarget::text, format('ALTER STATISTICS %I.%I SET STATISTICS %s', n.nspname, s.stxname, s.stxstattarget),
           format('ALTER STATISTICS %I.%I SET STATISTICS -1', n.nspname, s.stxname)
    FROM pg_statistic_ext s JOIN relation r ON r.oid = s.stxrelid JOIN pg_namespace n ON n.oid = s.stxnamespace
    WHERE s.stxstattarget >= 0
    UNION ALL
    SELECT 'state', format('default %s %s', a.attrelid, a.attnum), format('default of column %s.%s', a.relation, a.name), a.relation,
           pg_get_expr(d.adbin, d.adrelid),
           format('ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s', a.relation, a.name, pg_get_expr(d.adbin, d.adrelid)),
           format('ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT', a.relation, a.name)
    FROM attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.relkind = 'v'
    UNION ALL
    -- Without it, a query of the view is an error. That it is emptied again is no wish.
    SELECT 'state', 'contents ' || r.oid, 'contents of ' || r.name, r.name, 'there', 'REFRESH MATERIALIZED VIEW ' || r.name, NULL
    FROM relation r WHERE r.relkind = 'm' AND r.relispopulated
    UNION ALL
    SELECT 'state', 'type of ' || r.oid, 'row type of ' || r.name, r.name, r.reloftype::regtype::text,
           format('ALTER TABLE %s OF %s', r.name, r.reloftype::regtype), format('ALTER TABLE %s NOT OF', r.name)
    FROM relation r WHERE r.reloftype <> 0
    UNION ALL
    SELECT 'state', 'persistence ' || r.oid, 'persistence of ' || r.name, NULL, 'unlogged',
           format('ALTER SEQUENCE %s SET UNLOGGED', r.name), format('ALTER SEQUENCE %s SET LOGGED', r.name)
    FROM relation r WHERE r.relkind = 'S' AND r.relpersistence = 'u'
    UNION ALL
    -- Of a partition, the index that is part of its parent's: made along with that, under a name that PostgreSQL picks.
    SELECT 'partition index', 'partition index ' || i.indexrelid, format('part of index %s on %s', h.inhparent::regclass, r.name), r.name,
           i.indexrelid::regclass::text, NULL, NULL
    FROM pg_index i JOIN relation r ON r.oid = i.indrelid JOIN pg_inherits h ON h.inhrelid = i.indexrelid
    UNION ALL
    -- A change of these needs a migration: there is no statement for it.
    SELECT 'state', 'range ' || t.oid, 'details of range ' || t.name, NULL,
           format('multirange %s, operator class %s', g.rngmultitypid::regtype, (SELECT opcname FROM pg_opclass WHERE oid = g.rngsubopc)), NULL, NULL
    FROM own_type t JOIN pg_range g ON g.rngtypid = t.oid
    UNION ALL
    SELECT 'state', 'server of ' || r.oid, 'server of foreign table ' || r.name, r.name,
           format('%I, options %s', s.srvname, md5(coalesce(f.ftoptions::text, ''))), NULL, NULL
    FROM relation r JOIN pg_foreign_table f ON f.ftrelid = r.oid JOIN pg_foreign_server s ON s.oid = f.ftserver
    UNION ALL
    SELECT 'schema', 'schema ' || n.oid, 'schema ' || quote_ident(n.nspname), NULL, 'there', format('CREATE SCHEMA %I', n.nspname),
           format('DROP SCHEMA %I', n.nspname)
    FROM own_schema n
    WHERE n.nspname <> 'public'
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_namespace'::regclass AND m.objid = n.oid)
      AND NOT EXISTS (SELECT FROM pg_extension e WHERE e.extnamespace = n.oid)
    UNION ALL
    SELECT 'object', 'publication ' || p.oid, 'publication ' || quote_ident(p.pubname), NULL, w.made, w.made, format('DROP PUBLICATION %I', p.pubname)
    FROM pg_publication p
    CROSS JOIN LATERAL (SELECT concat(format('CREATE PUBLICATION %I', p.pubname),
        CASE WHEN p.puballtables THEN ' FOR ALL TABLES' ELSE ' FOR ' || nullif(concat_ws(', ',
            (SELECT string_agg(concat('TABLE ONLY ', t.prrelid::regclass,
                (SELECT format(' (%s)', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname)) FROM pg_attribute a
                 WHERE a.attrelid = t.prrelid AND a.attnum = ANY (t.prattrs::int2[]) HAVING count(*) > 0),
                ' WHERE (' || pg_get_expr(t.prqual, t.prrelid) || ')'), ', ' ORDER BY t.prrelid::regclass::text)
             FROM pg_publication_rel t WHERE t.prpubid = p.oid),
            (SELECT string_agg('TABLES IN SCHEMA ' || quote_ident(n.nspname), ', ' ORDER BY n.nspname)
             FROM pg_publication_namespace s JOIN pg_namespace n ON n.oid = s.pnnspid WHERE s.pnpubid = p.oid)), '') END,
        format(' WITH (publish = %L, publish_via_partition_root = %s%s)',
               concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
                         CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END), p.pubviaroot,
               -- Since PostgreSQL 18.
               CASE to_jsonb(p) ->> 'pubgencols' WHEN 's' THEN ', publish_generated_columns = stored' END)) AS made) w
    UNION ALL
    SELECT 'object', 'operator ' || o.oid, 'operator ' || o.oid::regoperator, NULL,
           concat_ws(', ', o.oprcode::text, 'commutator ' || nullif(o.oprcom, 0)::regoperator, 'negator ' || nullif(o.oprnegate, 0)::regoperator,
                     'restrict ' || nullif(o.oprrest::oid, 0)::regproc, 'join ' || nullif(o.oprjoin::oid, 0)::regproc,
                     CASE WHEN o.oprcanhash THEN 'hashes' END, CASE WHEN o.oprcanmerge THEN 'merges' END),
           NULL, 'DROP OPERATOR ' || o.oid::regoperator
    FROM pg_operator o
    -- One without a function only keeps a name for another's commutator or negator.
    WHERE o.oid >= 16384 AND o.oprcode <> 0 AND o.oprnamespace IN (SELECT oid FROM own_schema)
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_operator'::regclass AND m.objid = o.oid)
    UNION ALL
    SELECT 'object', 'cast ' || c.oid, w.name, NULL,
           concat_ws(', ', CASE c.castmethod WHEN 'f' THEN 'by ' || c.castfunc::regprocedure WHEN 'i' THEN 'by text' ELSE 'as it is' END,
                     CASE c.castcontext WHEN 'i' THEN 'implicit' WHEN 'a' THEN 'in assignments' END),
           NULL, 'DROP ' || w.name
    FROM pg_cast c
    CROSS JOIN LATERAL (SELECT format('CAST (%s AS %s)', format_type(c.castsource, NULL), format_type(c.casttarget, NULL)) AS name) w
    WHERE c.oid >= 16384
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_cast'::regclass AND m.objid = c.oid)
      -- Those of a range type to its multirange come with it.
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_cast'::regclass AND d.objid = c.oid AND d.deptype = 'i')
    UNION ALL
    SELECT 'object', 'operator class ' || o.oid, w.name, NULL,
           concat_ws(', ', 'for ' || format_type(o.opcintype, NULL), CASE WHEN o.opcdefault THEN 'default' END,
                     'family ' || f.opfname, 'stores ' || format_type(nullif(o.opckeytype, 0), NULL),
                     (SELECT string_agg(format('operator %s %s', a.amopstrategy, a.amopopr::regoperator), ', ' ORDER BY a.amopstrategy)
                      FROM pg_amop a WHERE a.amopfamily = o.opcfamily AND a.amoplefttype = o.opcintype),
                     (SELECT string_agg(format('function %s %s', a.amprocnum, a.amproc::oid::regprocedure), ', ' ORDER BY a.amprocnum)
                      FROM pg_amproc a WHERE a.amprocfamily = o.opcfamily AND a.amproclefttype = o.opcintype)),
           NULL, 'DROP ' || w.name
    FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod JOIN pg_namespace n ON n.oid = o.opcnamespace JOIN pg_opfamily f ON f.oid = o.opcfamily
    CROSS JOIN LATERAL (SELECT format('OPERATOR CLASS %I.%I USING %I', n.nspname, o.opcname, m.amname) AS name) w
    WHERE o.oid >= 16384 AND o.opcnamespace IN (SELECT oid FROM own_schema)
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_opclass'::regclass AND m.objid = o.oid)
    UNION ALL
    SELECT 'family', 'operator family ' || f.oid, w.name, NULL, 'there', NULL, 'DROP ' || w.name
    FROM pg_opfamily f JOIN pg_am m ON m.oid = f.opfmethod JOIN pg_namespace n ON n.oid = f.opfnamespace
    CROSS JOIN LATERAL (SELECT format('OPERATOR FAMILY %I.%I USING %I', n.nspname, f.opfname, m.amname) AS name) w
    WHERE f.oid >= 16384 AND f.opfnamespace IN (SELECT oid FROM own_schema)
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_opfamily'::regclass AND m.objid = f.oid)
    UNION ALL
    SELECT 'object', 'dictionary ' || d.oid, 'text search dictionary ' || d.oid::regdictionary, NULL,
           format('template %s (%s)', t.tmplname, d.dictinitoption), NULL, 'DROP TEXT SEARCH DICTIONARY ' || d.oid::regdictionary
    FROM pg_ts_dict d JOIN pg_ts_template t ON t.oid = d.dicttemplate
    WHERE d.oid >= 16384 AND d.dictnamespace IN (SELECT oid FROM own_schema)
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_ts_dict'::regclass AND m.objid = d.oid)
    UNION ALL
    SELECT 'object', 'configuration ' || c.oid, 'text search configuration ' || c.oid::regconfig, NULL,
           format('parser %s: %s', p.prsname, (
               SELECT string_agg(concat(k.alias, ' ', m.mapdict::regdictionary), ', ' ORDER BY m.maptokentype, m.mapseqno)
               FROM pg_ts_config_map m JOIN LATERAL ts_token_type(c.cfgparser) k ON k.tokid = m.maptokentype WHERE m.mapcfg = c.oid)),
           NULL, 'DROP TEXT SEARCH CONFIGURATION ' || c.oid::regconfig
    FROM pg_ts_config c JOIN pg_ts_parser p ON p.oid = c.cfgparser
    WHERE c.oid >= 16384 AND c.cfgnamespace IN (SELECT oid FROM own_schema)
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_ts_config'::regclass AND m.objid = c.oid)
    UNION ALL
    SELECT 'object', 'parser ' || p.oid, w.name, NULL,
           concat_ws(' ', p.prsstart, p.prstoken, p.prsend, nullif(p.prsheadline::oid, 0)::regproc, p.prslextype), NULL, 'DROP ' || upper(w.noun) || w.of
    FROM pg_ts_parser p JOIN own_schema n ON n.oid = p.prsnamespace
    CROSS JOIN LATERAL (SELECT 'text search parser' AS noun, format(' %I.%I', n.nspname, p.prsname) AS of) v
    CROSS JOIN LATERAL (SELECT v.noun, v.of, v.noun || v.of AS name) w
    WHERE p.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_ts_parser'::regclass AND m.objid = p.oid)
    UNION ALL
    SELECT 'object', 'template ' || t.oid, w.name, NULL,
           concat_ws(' ', nullif(t.tmplinit::oid, 0)::regproc, t.tmpllexize), NULL, 'DROP ' || upper(w.noun) || w.of
    FROM pg_ts_template t JOIN own_schema n ON n.oid = t.tmplnamespace
    CROSS JOIN LATERAL (SELECT 'text search template' AS noun, format(' %I.%I', n.nspname, t.tmplname) AS of) v
    CROSS JOIN LATERAL (SELECT v.noun, v.of, v.noun || v.of AS name) w
    WHERE t.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_ts_template'::regclass AND m.objid = t.oid)
    UNION ALL
    SELECT 'object', 'conversion ' || c.oid, w.name, NULL,
           format('from %s to %s by %s%s', pg_encoding_to_char(c.conforencoding), pg_encoding_to_char(c.contoencoding), c.conproc,
                  CASE WHEN c.condefault THEN ', default' ELSE '' END), NULL, 'DROP ' || w.name
    FROM pg_conversion c JOIN own_schema n ON n.oid = c.connamespace
    CROSS JOIN LATERAL (SELECT format('CONVERSION %I.%I', n.nspname, c.conname) AS name) w
    WHERE c.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_conversion'::regclass AND m.objid = c.oid)
    UNION ALL
    SELECT 'object', 'event trigger ' || e.oid, w.name, NULL,
           concat_ws(', ', 'on ' || e.evtevent, 'for ' || array_to_string(e.evttags, ', '), 'calls ' || e.evtfoid::regproc),
           NULL, 'DROP ' || w.name
    FROM pg_event_trigger e CROSS JOIN LATERAL (SELECT format('EVENT TRIGGER %I', e.evtname) AS name) w
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_event_trigger'::regclass AND m.objid = e.oid)
    UNION ALL
    SELECT 'state', 'event trigger ' || e.oid, format('state of event trigger %I', e.evtname), NULL, n.word,
           format('ALTER EVENT TRIGGER %I %s', e.evtname, n.word), format('ALTER EVENT TRIGGER %I ENABLE', e.evtname)
    FROM pg_event_trigger e JOIN enabled n ON n.state = e.evtenabled
    WHERE e.evtenabled <> 'O' AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_event_trigger'::regclass AND m.objid = e.oid)
    UNION ALL
    SELECT 'object', 'server ' || s.oid, 'server ' || quote_ident(s.srvname), NULL,
           format('wrapper %I, type %s, version %s, options %s', s.fdwname, s.srvtype, s.srvversion, md5(coalesce(s.srvoptions::text, ''))),
           NULL, 'DROP SERVER ' || quote_ident(s.srvname)
    FROM server s
    UNION ALL
    SELECT 'object', 'transform ' || t.oid, w.name, NULL,
           format('from %s, to %s', nullif(t.trffromsql::oid, 0)::regprocedure, nullif(t.trftosql::oid, 0)::regprocedure), NULL, 'DROP ' || w.name
    FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang
    CROSS JOIN LATERAL (SELECT format('TRANSFORM FOR %s LANGUAGE %I', format_type(t.trftype, NULL), l.lanname) AS name) w
    WHERE t.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_transform'::regclass AND m.objid = t.oid)
)
SELECT coalesce(json_agg(json_build_object('kind', kind, 'key', key, 'name', name, 'relation', relation, 'words', words,
                                           'make', make, 'drop', drop) ORDER BY name), '[]')::text
FROM detail
