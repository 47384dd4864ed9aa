//! What must be the same before and after: everything that is not the attacker's own.

use std::collections::BTreeMap;

use tokio_postgres::Config;

use super::siege::connect;

/// A name for each look, and what it saw.
pub(super) struct Standing(BTreeMap<String, String>);

/// Asked in the first database. Roles and databases of `a` and of platforms that the attempts make are theirs.
const OF_THE_SERVER: &[(&str, &str)] = &[
    ("superusers", "SELECT count(*) FROM pg_roles WHERE rolsuper"),
    (
        "roles",
        "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit,
            nullif(rolvaliduntil, 'infinity') FROM pg_roles WHERE rolname NOT LIKE 'stonescriptdb-b\\_%'",
    ),
    (
        "the passwords of others",
        "SELECT rolname, rolpassword FROM pg_authid WHERE rolname NOT LIKE 'stonescriptdb-b\\_%' AND rolname <> 'stonescriptdb-a'",
    ),
    (
        "memberships",
        "SELECT roleid::regrole, member::regrole, admin_option FROM pg_auth_members WHERE roleid::regrole::text NOT LIKE '%-b\\_%'
            AND roleid::regrole::text <> '\"stonescriptdb-a\"'",
    ),
    (
        "databases",
        "SELECT datname, datdba::regrole, datallowconn, datconnlimit, datistemplate, datacl FROM pg_database
            WHERE datname IN ('postgres', 'template0', 'template1', 'stonescriptdb-gateway') OR datname ~ '^b_(main|t1|stock_x1)$'",
    ),
    (
        "blueprints that are open",
        "SELECT datname FROM pg_database WHERE datname LIKE 'stonescriptdb-%' AND datname <> 'stonescriptdb-gateway' AND datallowconn",
    ),
    ("settings", "SELECT setdatabase, setrole::regrole, setconfig FROM pg_db_role_setting WHERE setrole::regrole::text <> '\"stonescriptdb-a\"'
        AND setdatabase NOT IN (SELECT oid FROM pg_database WHERE datname LIKE 'a\\_%')"),
    ("rights to settings", "SELECT parname, paracl FROM pg_parameter_acl"),
    ("tablespaces", "SELECT spcname FROM pg_tablespace"),
    ("labels", "SELECT * FROM pg_shseclabel"),
    ("words", "SELECT objoid, classoid, description FROM pg_shdescription WHERE objoid NOT IN (SELECT oid FROM pg_database WHERE datname LIKE 'a\\_%')"),
    ("slots", "SELECT slot_name FROM pg_replication_slots"),
    ("origins", "SELECT roname FROM pg_replication_origin"),
    ("subscriptions", "SELECT subname FROM pg_subscription"),
    ("prepared transactions", "SELECT gid FROM pg_prepared_xacts"),
    ("the server's settings", "SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%.auto.conf'"),
];

/// Asked in each database that is not `a`'s.
const OF_A_DATABASE: &str = "
    SELECT 'relation', relname::text, relowner::regrole::text, relacl::text FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'v', 'm', 'S', 'f')
    UNION ALL SELECT 'function', oid::regprocedure::text, proowner::regrole::text, prosrc FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT 'schema', nspname, nspowner::regrole::text, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast)'
    UNION ALL SELECT 'extension', extname, extowner::regrole::text, extversion FROM pg_extension
    UNION ALL SELECT 'type', typname, typowner::regrole::text, '' FROM pg_type WHERE oid >= 16384
    UNION ALL SELECT 'trigger', tgname, tgrelid::regclass::text, '' FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'event trigger', evtname, '', '' FROM pg_event_trigger
    UNION ALL SELECT 'publication', pubname, '', '' FROM pg_publication
    UNION ALL SELECT 'operator', oprname, oprowner::regrole::text, '' FROM pg_operator WHERE oid >= 16384
    UNION ALL SELECT 'cast', castsource::regtype::text, casttarget::regtype::text, '' FROM pg_cast WHERE oid >= 16384
    UNION ALL SELECT 'default right', defaclrole::regrole::text, '', defaclacl::text FROM pg_default_acl
    UNION ALL SELECT 'policy', polname, '', '' FROM pg_policy
    UNION ALL SELECT 'large object', oid::text, '', '' FROM pg_largeobject_metadata
    UNION ALL SELECT 'right', oid::regprocedure::text, '', proacl::text FROM pg_proc WHERE proacl IS NOT NULL";

const DATABASES: &[&str] = &["postgres", "template1", "stonescriptdb-gateway", "b_main", "b_t1", "b_stock_x1"];

impl Standing {
    pub(super) async fn read(superuser: &Config) -> Self {
        let mut seen = BTreeMap::new();
        let client = connect(superuser.clone().dbname("postgres")).await.unwrap();
        for (name, query) in OF_THE_SERVER {
            seen.insert((*name).to_owned(), read(&client, query).await);
        }
        for database in DATABASES {
            let client = connect(superuser.clone().dbname(*database)).await.unwrap();
            seen.insert(format!("what is in {database}"), read(&client, OF_A_DATABASE).await);
            if database.starts_with("b_") {
                seen.insert(format!("the rows of {database}"), read(&client, "SELECT * FROM public.secret").await);
            }
        }
        let client = connect(superuser.clone().dbname("stonescriptdb-gateway")).await.unwrap();
        let records =
            "SELECT name, platform, tenant_id, schema_name, database_id FROM public.databases WHERE platform = 'b'";
        seen.insert("b's records".to_owned(), read(&client, records).await);
        Self(seen)
    }

    /// Each look that saw something else afterwards.
    pub(super) fn differences(&self, after: &Self) -> Vec<String> {
        let differ = self.0.iter().filter(|(name, text)| after.0.get(*name) != Some(text));
        differ.map(|(name, text)| format!("{name}: {}", difference(text, &after.0[name]))).collect()
    }
}

/// The lines that one has and the other has not.
fn difference(before: &str, after: &str) -> String {
    let only = |one: &str, other: &str| -> Vec<String> {
        one.lines().filter(|line| !other.lines().any(|there| there == *line)).map(str::to_owned).collect()
    };
    format!("gone {:?}, new {:?}", only(before, after), only(after, before))
}

/// The rows as text, in an order that does not depend on where they lie.
async fn read(client: &tokio_postgres::Client, query: &str) -> String {
    let sql = format!("SELECT coalesce(string_agg(row::text, E'\\n' ORDER BY row::text), '') FROM ({query}) AS row");
    let row = client.query_one(&sql, &[]).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    row.get(0)
}
