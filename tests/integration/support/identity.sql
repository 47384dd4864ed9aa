-- PostgreSQL's own identity of every object of the database's schemas: which rows of its catalog describe it, and which
-- transaction wrote them. Any statement that touches an object shows here, also one that leaves it as it was.
WITH
own_schema AS (
    SELECT oid FROM pg_namespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg\_%'
),
relation AS (
    SELECT c.oid, c.xmin, c.relfilenode, c.relname FROM pg_class c WHERE c.relnamespace IN (SELECT oid FROM own_schema)
)
SELECT concat_ws(' ', 'relation', relname, oid, xmin, relfilenode) AS line FROM relation
UNION ALL
SELECT concat_ws(' ', 'column', attrelid::regclass, attname, attnum, xmin) FROM pg_attribute
WHERE attrelid IN (SELECT oid FROM relation) AND attnum > 0
UNION ALL
SELECT concat_ws(' ', 'default', adrelid::regclass, adnum, oid, xmin) FROM pg_attrdef
WHERE adrelid IN (SELECT oid FROM relation)
UNION ALL
SELECT concat_ws(' ', 'routine', oid::regprocedure, oid, xmin) FROM pg_proc
WHERE pronamespace IN (SELECT oid FROM own_schema)
UNION ALL
SELECT concat_ws(' ', 'type', oid::regtype, oid, xmin) FROM pg_type WHERE typnamespace IN (SELECT oid FROM own_schema)
UNION ALL
SELECT concat_ws(' ', 'enum value', enumtypid::regtype, enumlabel, oid, xmin) FROM pg_enum
UNION ALL
SELECT concat_ws(' ', 'constraint', conname, oid, xmin) FROM pg_constraint
WHERE connamespace IN (SELECT oid FROM own_schema)
UNION ALL
SELECT concat_ws(' ', 'trigger', tgrelid::regclass, tgname, oid, xmin) FROM pg_trigger
WHERE tgrelid IN (SELECT oid FROM relation)
UNION ALL
SELECT concat_ws(' ', 'policy', polrelid::regclass, polname, oid, xmin) FROM pg_policy
UNION ALL
SELECT concat_ws(' ', 'rule', ev_class::regclass, rulename, oid, xmin) FROM pg_rewrite
WHERE ev_class IN (SELECT oid FROM relation)
UNION ALL
SELECT concat_ws(' ', 'operator', oid::regoperator, oid, xmin) FROM pg_operator
WHERE oprnamespace IN (SELECT oid FROM own_schema)
UNION ALL
SELECT concat_ws(' ', 'extension', extname, oid, xmin) FROM pg_extension
UNION ALL
SELECT concat_ws(' ', 'schema', nspname, oid, xmin) FROM pg_namespace WHERE oid IN (SELECT oid FROM own_schema)
UNION ALL
SELECT concat_ws(' ', 'comment', classoid::regclass, objoid, objsubid, xmin) FROM pg_description
WHERE objoid >= 16384
UNION ALL
SELECT concat_ws(' ', 'sequence', schemaname, sequencename, 'at', last_value) FROM pg_sequences
