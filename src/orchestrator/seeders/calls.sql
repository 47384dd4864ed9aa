-- What has one of the names $1 and is run by a statement that has the name: functions, the functions behind operators and casts,
-- domains' checks, views. Only what is a platform's own or an extension's (oid 16384 and above). One row each:
-- name, whether it is a relation, language, extension, whether it may write (VOLATILE), text, whether the text is longer than is
-- read of one ($2), or would make more than is read of all ($3): who writes that much may write.
SELECT found.name, found.is_relation, found.language, found.extension, found.is_volatile,
       CASE WHEN NOT found.is_long THEN found.text END AS text, found.is_long
FROM (SELECT every.*, COALESCE(every.bytes > $2 OR pg_catalog.sum(every.bytes) FILTER (WHERE every.bytes <= $2)
                                               OVER (ROWS UNBOUNDED PRECEDING) > $3, false) AS is_long
      FROM (SELECT each.*, pg_catalog.octet_length(each.text)::pg_catalog.int8 AS bytes FROM (
SELECT p.proname::pg_catalog.text AS name, false AS is_relation,
       CASE WHEN p.prokind = 'a' THEN 'text' ELSE l.lanname::pg_catalog.text END AS language,
       (SELECT e.extname::pg_catalog.text
        FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass) AS extension,
       p.provolatile = 'v' AS is_volatile,
       CASE WHEN p.prokind = 'a'
            THEN pg_catalog.concat_ws(' ', a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
            ELSE COALESCE(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) END AS text
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
LEFT JOIN pg_catalog.pg_aggregate AS a ON a.aggfnoid = p.oid
WHERE p.oid >= 16384 AND p.proname = ANY ($1::pg_catalog.text[])
UNION ALL
SELECT o.oprname, false, 'text', NULL, false, o.oprcode::pg_catalog.text
FROM pg_catalog.pg_operator AS o WHERE o.oid >= 16384 AND o.oprname = ANY ($1::pg_catalog.text[])
UNION ALL
SELECT t.typname, false, 'text', NULL, false, c.castfunc::pg_catalog.regproc::pg_catalog.text
FROM pg_catalog.pg_cast AS c JOIN pg_catalog.pg_type AS t ON t.oid = c.casttarget
WHERE c.oid >= 16384 AND c.castfunc <> 0 AND t.typname = ANY ($1::pg_catalog.text[])
UNION ALL
SELECT t.typname, false, 'text', NULL, false, pg_catalog.pg_get_constraintdef(c.oid)
FROM pg_catalog.pg_constraint AS c JOIN pg_catalog.pg_type AS t ON t.oid = c.contypid
WHERE t.typname = ANY ($1::pg_catalog.text[])
UNION ALL
SELECT c.relname, true, 'text', NULL, false, pg_catalog.pg_get_viewdef(c.oid)
FROM pg_catalog.pg_class AS c WHERE c.oid >= 16384 AND c.relkind = 'v' AND c.relname = ANY ($1::pg_catalog.text[])
) AS each) AS every) AS found
