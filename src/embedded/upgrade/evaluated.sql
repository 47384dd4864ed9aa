-- What PostgreSQL may work out while a schema is restored, though no row is there, and what of it is not a superuser's: one row
-- for each pair. Dependencies are PostgreSQL's own notes, which nobody else writes.
WITH platforms AS (
    -- Which extension has it does not count: whoever has made an extension may add functions of his own to it. An overload of
    -- the same name counts: the expression is restored as a text.
    SELECT 'pg_proc'::regclass AS class, p.oid, other.oid::regprocedure::text AS name
    FROM pg_proc AS other JOIN pg_proc AS p ON p.proname = other.proname AND p.pronamespace = other.pronamespace
    WHERE NOT coalesce((SELECT r.rolsuper FROM pg_roles AS r WHERE r.oid = other.proowner), false)
    UNION
    SELECT 'pg_operator'::regclass, o.oid, 'operator ' || other.oid::regoperator::text
    FROM pg_operator AS other JOIN pg_operator AS o ON o.oprname = other.oprname AND o.oprnamespace = other.oprnamespace
    WHERE NOT coalesce((SELECT r.rolsuper FROM pg_roles AS r WHERE r.oid = other.oprowner), false)
       OR NOT coalesce((SELECT r.rolsuper FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = p.proowner
                        WHERE p.oid = other.oprcode), true)
), lent AS (
    -- What PostgreSQL or an extension brings and the superuser may have run for somebody: statements that are given as texts, the
    -- rows of a view, files. PostgreSQL notes no dependency on what it brings itself. What is not volatile computes, but for
    -- what is named, and for what takes texts or names in the extensions $1.
    SELECT p.oid, p.oid::regprocedure::text AS name
    FROM pg_proc AS p
    LEFT JOIN pg_depend AS d
        ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
    LEFT JOIN pg_extension AS e ON e.oid = d.refobjid
    WHERE p.proname ~ '_to_xml'
       OR e.extname = ANY ($1) AND p.proargtypes::oid[] && '{text,varchar,name,regclass,regproc,regprocedure}'::regtype[]::oid[]
       OR p.provolatile = 'v' AND p.proname !~ '^(random|random_normal|clock_timestamp|timeofday|nextval|currval|lastval)$'
          AND p.proname !~ '^(gen_random_uuid|uuidv[47]|uuid_generate_v.+|gen_random_bytes|gen_salt)$'
), evaluated AS (
    SELECT 'pg_attrdef'::regclass AS class, d.oid, 'generated column ' || d.adrelid::regclass || '.' || quote_ident(a.attname) AS what,
           d.adbin::text AS tree
    FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE a.attgenerated <> ''
    UNION ALL
    -- Of domains: also a constant of an array or a row that holds one is checked when it is read, wherever it stands.
    SELECT 'pg_constraint'::regclass, c.oid,
           'CHECK ' || quote_ident(c.conname) || ' of '
           || CASE WHEN c.contypid <> 0 THEN 'domain ' || c.contypid::regtype ELSE c.conrelid::regclass::text END,
           c.conbin::text
    FROM pg_constraint AS c WHERE c.contype = 'c'
    UNION ALL
    SELECT 'pg_class'::regclass, i.indexrelid, 'index ' || i.indexrelid::regclass || ' of ' || i.indrelid::regclass,
           concat(i.indexprs::text, i.indpred::text)
    FROM pg_index AS i WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
    UNION ALL
    SELECT 'pg_class'::regclass, p.partrelid, 'partition key of ' || p.partrelid::regclass, p.partexprs::text
    FROM pg_partitioned_table AS p WHERE p.partexprs IS NOT NULL
    UNION ALL
    SELECT 'pg_statistic_ext'::regclass, s.oid,
           'statistics ' || quote_ident(s.stxname) || ' of ' || s.stxrelid::regclass,
           s.stxexprs::text
    FROM pg_statistic_ext AS s WHERE s.stxexprs IS NOT NULL
    UNION ALL
    -- A cast that came after an expression is found when the expression's text is read.
    SELECT 'pg_cast'::regclass, c.oid, 'cast ' || c.castsource::regtype || ' AS ' || c.casttarget::regtype, NULL
    FROM pg_cast AS c WHERE c.castfunc <> 0
    UNION ALL
    SELECT 'pg_type'::regclass, r.rngtypid, 'range ' || r.rngtypid::regtype, NULL FROM pg_range AS r WHERE r.rngcanonical <> 0
    UNION ALL
    SELECT 'pg_conversion'::regclass, c.oid, 'conversion ' || quote_ident(c.conname), NULL FROM pg_conversion AS c
)
SELECT evaluated.what COLLATE "C", platforms.name COLLATE "C"
FROM evaluated
JOIN pg_depend AS d ON d.classid = evaluated.class AND d.objid = evaluated.oid AND d.objsubid = 0
JOIN platforms ON platforms.class = d.refclassid AND platforms.oid = d.refobjid
UNION
SELECT evaluated.what COLLATE "C", lent.name COLLATE "C"
FROM evaluated, regexp_matches(evaluated.tree, ':funcid (\d+)', 'g') AS called JOIN lent ON lent.oid = called[1]::oid
ORDER BY 1, 2
LIMIT 1000
