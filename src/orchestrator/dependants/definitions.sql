-- How to take off each of the objects asked for, and how to make it again, in PostgreSQL's own words. What has no row
-- here (a column of a table, say) cannot be taken off. The search path is empty, so every name is written in full.
WITH asked AS (
    SELECT * FROM unnest($1::oid[], $2::oid[], $3::int4[]) WITH ORDINALITY AS asked (class, object, sub, place)
),
-- place · what COMMENT ON calls it · how to find it again · its DROP, if that is not DROP and its name ·
-- the statements that make it · owner · the file names of the changelog
definition AS (
    -- Views and materialized views.
    SELECT a.*, w.word || ' ' || w.name AS called, format('to_regclass(%L)::oid', w.name) AS finder, NULL::text AS dropping,
           ARRAY[concat('CREATE ', w.word, ' ', w.name,
                        CASE WHEN c.relkind = 'm' THEN (SELECT format(' USING %I', m.amname) FROM pg_am m WHERE m.oid = c.relam) END,
                        (SELECT ' WITH (' || string_agg(format('%s=%L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ') || ')'
                         FROM unnest(c.reloptions) AS o),
                        (SELECT format(' TABLESPACE %I', s.spcname) FROM pg_tablespace s WHERE s.oid = c.reltablespace),
                        ' AS ', rtrim(pg_get_viewdef(c.oid), '; '),
                        CASE WHEN c.relkind = 'm' AND c.relispopulated THEN ' WITH DATA'
                             WHEN c.relkind = 'm' THEN ' WITH NO DATA' END)]
           || ARRAY(SELECT format('COMMENT ON COLUMN %s.%I IS %L', w.name, t.attname, d.description)
                    FROM pg_attribute t JOIN pg_description d ON d.classoid = a.class AND d.objoid = a.object AND d.objsubid = t.attnum
                    WHERE t.attrelid = c.oid AND NOT t.attisdropped ORDER BY t.attnum) AS making,
           c.relowner AS owner,
           CASE c.relkind WHEN 'm' THEN 'CreateMaterializedView' ELSE 'CreateView' END AS made_by
    FROM asked a
    JOIN pg_class c ON a.class = 'pg_class'::regclass AND c.oid = a.object AND a.sub = 0 AND c.relkind IN ('v', 'm')
    CROSS JOIN LATERAL (SELECT CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END AS word, c.oid::regclass::text AS name) w
    UNION ALL
    SELECT a.*, w.word || ' ' || p.oid::regprocedure, format('to_regprocedure(%L)::oid', p.oid::regprocedure), NULL,
           ARRAY[pg_get_functiondef(p.oid)], p.proowner, NULL
    FROM asked a
    JOIN pg_proc p ON a.class = 'pg_proc'::regclass AND p.oid = a.object AND p.prokind IN ('f', 'p', 'w')
    CROSS JOIN LATERAL (SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END AS word) w
    UNION ALL
    SELECT a.*, 'AGGREGATE ' || w.name, format('to_regprocedure(%L)::oid', p.oid::regprocedure), NULL,
           ARRAY[concat('CREATE AGGREGATE ', format('%I.%I(%s)', n.nspname, p.proname,
                                                    CASE WHEN p.pronargs = 0 THEN '*' ELSE pg_get_function_arguments(p.oid) END), ' (',
             concat_ws(', ', 'SFUNC = ' || g.aggtransfn::oid::regproc, 'STYPE = ' || format_type(g.aggtranstype, NULL),
               'SSPACE = ' || nullif(g.aggtransspace, 0), 'FINALFUNC = ' || nullif(g.aggfinalfn::oid, 0)::regproc,
               CASE WHEN g.aggfinalextra THEN 'FINALFUNC_EXTRA' END,
               CASE WHEN g.aggfinalfn::oid <> 0 THEN 'FINALFUNC_MODIFY = ' || CASE g.aggfinalmodify WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END END,
               'COMBINEFUNC = ' || nullif(g.aggcombinefn::oid, 0)::regproc, 'SERIALFUNC = ' || nullif(g.aggserialfn::oid, 0)::regproc,
               'DESERIALFUNC = ' || nullif(g.aggdeserialfn::oid, 0)::regproc, 'INITCOND = ' || quote_literal(g.agginitval),
               'MSFUNC = ' || nullif(g.aggmtransfn::oid, 0)::regproc, 'MINVFUNC = ' || nullif(g.aggminvtransfn::oid, 0)::regproc,
               CASE WHEN g.aggmtranstype <> 0 THEN 'MSTYPE = ' || format_type(g.aggmtranstype, NULL) END,
               'MSSPACE = ' || nullif(g.aggmtransspace, 0), 'MFINALFUNC = ' || nullif(g.aggmfinalfn::oid, 0)::regproc,
               CASE WHEN g.aggmfinalextra THEN 'MFINALFUNC_EXTRA' END,
               CASE WHEN g.aggmfinalfn::oid <> 0 THEN 'MFINALFUNC_MODIFY = ' || CASE g.aggmfinalmodify WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END END,
               'MINITCOND = ' || quote_literal(g.aggminitval),
               'SORTOP = OPERATOR(' || nullif(g.aggsortop, 0)::regoper || ')',
               'PARALLEL = ' || CASE p.proparallel WHEN 's' THEN 'SAFE' WHEN 'r' THEN 'RESTRICTED' ELSE 'UNSAFE' END,
               CASE WHEN g.aggkind = 'h' THEN 'HYPOTHETICAL' END), ')')],
           p.proowner, 'Define'
    FROM asked a
    JOIN pg_proc p ON a.class = 'pg_proc'::regclass AND p.oid = a.object AND p.prokind = 'a'
    JOIN pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_aggregate g ON g.aggfnoid::oid = p.oid
    CROSS JOIN LATERAL (SELECT format('%I.%I(%s)', n.nspname, p.proname, CASE WHEN p.pronargs = 0 THEN '*' ELSE pg_get_function_identity_arguments(p.oid) END) AS name) w
    UNION ALL
    SELECT a.*, format('TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass),
           format('(SELECT oid FROM pg_trigger WHERE tgrelid = to_regclass(%L) AND tgname = %L)', t.tgrelid::regclass, t.tgname), NULL,
           ARRAY[pg_get_triggerdef(t.oid)] || CASE WHEN t.tgenabled <> 'O' THEN
               ARRAY[format('ALTER TABLE %s %s TRIGGER %I', t.tgrelid::regclass, w.word, t.tgname)] END,
           NULL, 'CreateTrigger'
    FROM asked a
    JOIN pg_trigger t ON a.class = 'pg_trigger'::regclass AND t.oid = a.object AND NOT t.tgisinternal
    CROSS JOIN LATERAL (SELECT CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' END AS word) w
    UNION ALL
    SELECT a.*, format('POLICY %I ON %s', p.polname, p.polrelid::regclass),
           format('(SELECT oid FROM pg_policy WHERE polrelid = to_regclass(%L) AND polname = %L)', p.polrelid::regclass, p.polname), NULL,
           ARRAY[concat(format('CREATE POLICY %I ON %s AS %s FOR %s TO ', p.polname, p.polrelid::regclass,
                               CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                               CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END),
                        (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', ') FROM unnest(p.polroles) AS r),
                        ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')],
           NULL, 'CreatePolicy'
    FROM asked a JOIN pg_policy p ON a.class = 'pg_policy'::regclass AND p.oid = a.object
    UNION ALL
    SELECT a.*, format('RULE %I ON %s', r.rulename, r.ev_class::regclass),
           format('(SELECT oid FROM pg_rewrite WHERE ev_class = to_regclass(%L) AND rulename = %L)', r.ev_class::regclass, r.rulename), NULL,
           ARRAY[pg_get_ruledef(r.oid)] || CASE WHEN r.ev_enabled <> 'O' THEN
               ARRAY[format('ALTER TABLE %s %s RULE %I', r.ev_class::regclass, w.word, r.rulename)] END,
           NULL, 'CreateRule'
    FROM asked a
    JOIN pg_rewrite r ON a.class = 'pg_rewrite'::regclass AND r.oid = a.object AND r.rulename <> '_RETURN'
    CROSS JOIN LATERAL (SELECT CASE r.ev_enabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' END AS word) w
    UNION ALL
    -- Defaults; the expression of a generated column goes with the column, below.
    SELECT a.*, NULL, format('(SELECT d.oid FROM pg_attrdef d JOIN pg_attribute t ON t.attrelid = d.adrelid AND t.attnum = d.adnum
                              WHERE d.adrelid = to_regclass(%L) AND t.attname = %L)', d.adrelid::regclass, t.attname),
           format('ALTER TABLE ONLY %s ALTER COLUMN %I DROP DEFAULT', d.adrelid::regclass, t.attname),
           ARRAY[format('ALTER TABLE ONLY %s ALTER COLUMN %I SET DEFAULT %s', d.adrelid::regclass, t.attname, pg_get_expr(d.adbin, d.adrelid))],
           NULL, NULL
    FROM asked a
    JOIN pg_attrdef d ON a.class = 'pg_attrdef'::regclass AND d.oid = a.object
    JOIN pg_attribute t ON t.attrelid = d.adrelid AND t.attnum = d.adnum AND t.attgenerated = ''
    UNION ALL
    -- A generated column. One that is inherited comes and goes with the parent's. A plain one that the declaration has put in
    -- its place holds none of its values, so that is not it.
    SELECT a.*, format('COLUMN %s.%I', w.relation, t.attname),
           format('(SELECT attrelid FROM pg_attribute WHERE attrelid = to_regclass(%L) AND attname = %L AND attgenerated <> %L AND NOT attisdropped)', w.relation, t.attname, ''),
           CASE WHEN t.attinhcount > 0 THEN '' ELSE format('ALTER TABLE %s DROP COLUMN %I', w.relation, t.attname) END,
           CASE WHEN t.attinhcount > 0 THEN ARRAY[]::text[] ELSE
               ARRAY[concat(format('ALTER TABLE %s ADD COLUMN %I %s', w.relation, t.attname, format_type(t.atttypid, t.atttypmod)),
                            CASE WHEN t.attcollation <> y.typcollation THEN ' COLLATE ' || t.attcollation::regcollation END,
                            format(' GENERATED ALWAYS AS (%s) %s', pg_get_expr(d.adbin, d.adrelid), CASE t.attgenerated WHEN 'v' THEN 'VIRTUAL' ELSE 'STORED' END),
                            -- A constraint of its own since PostgreSQL 18.
                            CASE WHEN n.convalidated THEN format(' CONSTRAINT %I NOT NULL', n.conname)
                                                          || CASE WHEN n.connoinherit THEN ' NO INHERIT' ELSE '' END
                                 WHEN t.attnotnull AND n.oid IS NULL THEN ' NOT NULL' END)] END
           || array_remove(ARRAY[
               CASE WHEN NOT n.convalidated AND t.attinhcount = 0 THEN
                   format('ALTER TABLE %s ADD CONSTRAINT %I %s', w.relation, n.conname, pg_get_constraintdef(n.oid)) END,
               CASE WHEN t.attinhcount = 0 AND obj_description(n.oid, 'pg_constraint') IS NOT NULL THEN
                   format('COMMENT ON CONSTRAINT %I ON %s IS %L', n.conname, w.relation, obj_description(n.oid, 'pg_constraint')) END,
               CASE WHEN t.attstorage <> y.typstorage THEN
                   format('ALTER TABLE %s ALTER COLUMN %I SET STORAGE %s', w.relation, t.attname,
                          CASE t.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END) END,
               CASE t.attcompression WHEN 'p' THEN format('ALTER TABLE %s ALTER COLUMN %I SET COMPRESSION pglz', w.relation, t.attname)
                                     WHEN 'l' THEN format('ALTER TABLE %s ALTER COLUMN %I SET COMPRESSION lz4', w.relation, t.attname) END,
               CASE WHEN t.attstattarget >= 0 THEN format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', w.relation, t.attname, t.attstattarget) END,
               (SELECT format('ALTER TABLE %s ALTER COLUMN %I SET (%s)', w.relation, t.attname, string_agg(o, ', '))
                -- What PostgreSQL notes there for itself, it notes anew.
                FROM unnest(t.attoptions) o WHERE o LIKE 'n\_distinct%' HAVING count(*) > 0)], NULL),
           NULL, NULL
    FROM asked a
    JOIN pg_attribute t ON a.class = 'pg_class'::regclass AND t.attrelid = a.object AND t.attnum = a.sub AND t.attgenerated <> ''
    JOIN pg_attrdef d ON d.adrelid = t.attrelid AND d.adnum = t.attnum
    JOIN pg_type y ON y.oid = t.atttypid
    LEFT JOIN pg_constraint n ON n.conrelid = t.attrelid AND n.contype = 'n' AND n.conkey = ARRAY[t.attnum]
    CROSS JOIN LATERAL (SELECT t.attrelid::regclass::text AS relation) w
    UNION ALL
    -- A domain as a dependant of a function is its default.
    SELECT a.*, NULL, format('(SELECT oid FROM pg_type WHERE oid = to_regtype(%L) AND typdefault IS NOT NULL)', t.oid::regtype),
           format('ALTER DOMAIN %s DROP DEFAULT', t.oid::regtype), ARRAY[format('ALTER DOMAIN %s SET DEFAULT %s', t.oid::regtype, t.typdefault)],
           NULL, NULL
    FROM asked a JOIN pg_type t ON a.class = 'pg_type'::regclass AND t.oid = a.object AND t.typtype = 'd' AND t.typdefaultbin IS NOT NULL
    UNION ALL
    SELECT a.*, format('CONSTRAINT %I ON %s', o.conname, CASE WHEN o.conrelid <> 0 THEN o.conrelid::regclass::text ELSE 'DOMAIN ' || o.contypid::regtype END),
           format('(SELECT oid FROM pg_constraint WHERE %s AND conname = %L)',
                  CASE WHEN o.conrelid <> 0 THEN format('conrelid = to_regclass(%L)', o.conrelid::regclass) ELSE format('contypid = to_regtype(%L)', o.contypid::regtype) END, o.conname),
           format('ALTER %s DROP CONSTRAINT %I', w.owner, o.conname),
           ARRAY[format('ALTER %s ADD CONSTRAINT %I %s', w.owner, o.conname, pg_get_constraintdef(o.oid))],
           NULL, NULL
    FROM asked a
    JOIN pg_constraint o ON a.class = 'pg_constraint'::regclass AND o.oid = a.object AND o.contype IN ('c', 'x', 'p', 'u', 'f')
    CROSS JOIN LATERAL (SELECT CASE WHEN o.conrelid <> 0 THEN 'TABLE ' || o.conrelid::regclass ELSE 'DOMAIN ' || o.contypid::regtype END AS owner) w
    UNION ALL
    SELECT a.*, 'INDEX ' || c.oid::regclass, format('to_regclass(%L)::oid', c.oid::regclass), NULL,
           -- PostgreSQL prints the index of a partitioned table ON ONLY that; those of its partitions come with it.
           ARRAY[CASE WHEN starts_with(w.text, w.start || 'ONLY ') THEN w.start || substr(w.text, length(w.start || 'ONLY ') + 1) ELSE w.text END],
           NULL, 'CreateIndex'
    FROM asked a
    JOIN pg_class c ON a.class = 'pg_class'::regclass AND c.oid = a.object AND a.sub = 0 AND c.relkind IN ('i', 'I')
    JOIN pg_index i ON i.indexrelid = c.oid
    CROSS JOIN LATERAL (SELECT pg_get_indexdef(c.oid) AS text,
        format('CREATE %sINDEX %I ON ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, c.relname) AS start) w
    UNION ALL
    SELECT a.*, format('STATISTICS %I.%I', n.nspname, s.stxname),
           format('(SELECT s.oid FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE n.nspname = %L AND s.stxname = %L)', n.nspname, s.stxname),
           NULL, ARRAY[pg_get_statisticsobjdef(s.oid)], s.stxowner, NULL
    FROM asked a JOIN pg_statistic_ext s ON a.class = 'pg_statistic_ext'::regclass AND s.oid = a.object JOIN pg_namespace n ON n.oid = s.stxnamespace
    UNION ALL
    SELECT a.*, format('CAST (%s AS %s)', format_type(c.castsource, NULL), format_type(c.casttarget, NULL)),
           format('(SELECT oid FROM pg_cast WHERE castsource = to_regtype(%L) AND casttarget = to_regtype(%L))', format_type(c.castsource, NULL), format_type(c.casttarget, NULL)),
           NULL,
           ARRAY[concat(format('CREATE CAST (%s AS %s) ', format_type(c.castsource, NULL), format_type(c.casttarget, NULL)),
                        CASE c.castmethod WHEN 'f' THEN 'WITH FUNCTION ' || c.castfunc::regprocedure WHEN 'i' THEN 'WITH INOUT' ELSE 'WITHOUT FUNCTION' END,
                        CASE c.castcontext WHEN 'i' THEN ' AS IMPLICIT' WHEN 'a' THEN ' AS ASSIGNMENT' END)],
           NULL, NULL
    FROM asked a JOIN pg_cast c ON a.class = 'pg_cast'::regclass AND c.oid = a.object
    UNION ALL
    -- A table of a publication, which reads columns in its list or its WHERE. Children are on it by themselves.
    SELECT a.*, NULL, format('(SELECT oid FROM pg_publication_rel WHERE prrelid = to_regclass(%L)
                              AND prpubid = (SELECT oid FROM pg_publication WHERE pubname = %L))', w.name, p.pubname),
           format('ALTER PUBLICATION %I DROP TABLE ONLY %s', p.pubname, w.name),
           ARRAY[concat(format('ALTER PUBLICATION %I ADD TABLE ONLY %s', p.pubname, w.name),
                        (SELECT format(' (%s)', string_agg(quote_ident(t.attname), ', ' ORDER BY t.attnum))
                         FROM pg_attribute t WHERE t.attrelid = r.prrelid AND t.attnum = ANY (r.prattrs::int2[]) HAVING count(*) > 0),
                        ' WHERE (' || pg_get_expr(r.prqual, r.prrelid) || ')')],
           NULL, NULL
    FROM asked a
    JOIN pg_publication_rel r ON a.class = 'pg_publication_rel'::regclass AND r.oid = a.object
    JOIN pg_publication p ON p.oid = r.prpubid
    CROSS JOIN LATERAL (SELECT r.prrelid::regclass::text AS name) w
    UNION ALL
    SELECT a.*, 'OPERATOR ' || w.name || w.takes, format('to_regoperator(%L)::oid', w.name || w.takes), NULL,
           ARRAY[concat('CREATE OPERATOR ', w.name, ' (', concat_ws(', ', 'FUNCTION = ' || o.oprcode::oid::regproc,
             'LEFTARG = ' || format_type(nullif(o.oprleft, 0), NULL), 'RIGHTARG = ' || format_type(nullif(o.oprright, 0), NULL),
             'COMMUTATOR = ' || (SELECT format('OPERATOR(%I.%s)', m.nspname, k.oprname) FROM pg_operator k JOIN pg_namespace m ON m.oid = k.oprnamespace WHERE k.oid = o.oprcom),
             'NEGATOR = ' || (SELECT format('OPERATOR(%I.%s)', m.nspname, k.oprname) FROM pg_operator k JOIN pg_namespace m ON m.oid = k.oprnamespace WHERE k.oid = o.oprnegate),
             'RESTRICT = ' || nullif(o.oprrest::oid, 0)::regproc, 'JOIN = ' || nullif(o.oprjoin::oid, 0)::regproc,
             CASE WHEN o.oprcanhash THEN 'HASHES' END, CASE WHEN o.oprcanmerge THEN 'MERGES' END), ')')],
           o.oprowner, 'Define'
    FROM asked a
    JOIN pg_operator o ON a.class = 'pg_operator'::regclass AND o.oid = a.object
    JOIN pg_namespace n ON n.oid = o.oprnamespace
    CROSS JOIN LATERAL (SELECT format('%I.%s', n.nspname, o.oprname) AS name,
        format(' (%s, %s)', coalesce(format_type(nullif(o.oprleft, 0), NULL), 'NONE'), coalesce(format_type(nullif(o.oprright, 0), NULL), 'NONE')) AS takes) w
)
SELECT d.place, pg_describe_object(d.class, d.object, d.sub), d.finder, coalesce(d.dropping, 'DROP ' || d.called), d.making,
       array_remove(ARRAY[
           CASE WHEN d.owner <> (SELECT oid FROM pg_roles WHERE rolname = current_user) THEN format('ALTER %s OWNER TO %s', d.called, d.owner::regrole) END,
           CASE WHEN t.description IS NOT NULL THEN format('COMMENT ON %s IS %L', d.called, t.description) END], NULL),
       d.made_by,
       -- The names that the changelog may have it under: as the statement that made it wrote them.
       CASE d.made_by
           WHEN 'CreateTrigger' THEN (SELECT ARRAY[w.part || w.relation, w.part || w.schema || w.relation] FROM
               (SELECT '"' || replace(x.tgname, '"', '""') || '" ON ' AS part, '"' || replace(n.nspname, '"', '""') || '".' AS schema,
                       '"' || replace(c.relname, '"', '""') || '"' AS relation
                FROM pg_trigger x JOIN pg_class c ON c.oid = x.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE x.oid = d.object) w)
           WHEN 'CreatePolicy' THEN (SELECT ARRAY[w.part || w.relation, w.part || w.schema || w.relation] FROM
               (SELECT '"' || replace(x.polname, '"', '""') || '" ON ' AS part, '"' || replace(n.nspname, '"', '""') || '".' AS schema,
                       '"' || replace(c.relname, '"', '""') || '"' AS relation
                FROM pg_policy x JOIN pg_class c ON c.oid = x.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE x.oid = d.object) w)
           WHEN 'CreateRule' THEN (SELECT ARRAY[w.part || w.relation, w.part || w.schema || w.relation] FROM
               (SELECT '"' || replace(x.rulename, '"', '""') || '" ON ' AS part, '"' || replace(n.nspname, '"', '""') || '".' AS schema,
                       '"' || replace(c.relname, '"', '""') || '"' AS relation
                FROM pg_rewrite x JOIN pg_class c ON c.oid = x.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace WHERE x.oid = d.object) w)
           ELSE (SELECT ARRAY[format('%I.%I', n.nspname, c.relname), CASE WHEN n.nspname = 'public' THEN quote_ident(c.relname) END]
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE d.class = 'pg_class'::regclass AND c.oid = d.object)
       END,
       d.class = 'pg_attrdef'::regclass
FROM definition d
LEFT JOIN pg_description t ON t.classoid = d.class AND t.objoid = d.object AND t.objsubid = d.sub
