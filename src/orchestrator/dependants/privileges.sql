-- Who may do what with a relation, its columns, or a routine: privilege and object, to whom, with the right to pass it on.
SELECT format('%s ON TABLE %s', e.privilege_type, c.oid::regclass), w.who, e.is_grantable
FROM pg_class c
CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) e
CROSS JOIN LATERAL (SELECT CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE e.grantee::regrole::text END AS who) w
WHERE $1 = 'pg_class'::regclass AND c.oid = $2 AND c.relkind IN ('v', 'm')
UNION
SELECT format('%s (%I) ON TABLE %s', e.privilege_type, t.attname, t.attrelid::regclass), w.who, e.is_grantable
FROM pg_class c
JOIN pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped
CROSS JOIN LATERAL aclexplode(t.attacl) e
CROSS JOIN LATERAL (SELECT CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE e.grantee::regrole::text END AS who) w
WHERE $1 = 'pg_class'::regclass AND c.oid = $2 AND (c.relkind IN ('v', 'm') OR t.attgenerated <> '')
UNION
SELECT format('%s ON ROUTINE %s', e.privilege_type, p.oid::regprocedure), w.who, e.is_grantable
FROM pg_proc p
CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) e
CROSS JOIN LATERAL (SELECT CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE e.grantee::regrole::text END AS who) w
WHERE $1 = 'pg_proc'::regclass AND p.oid = $2
