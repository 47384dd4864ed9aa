//! Rows that hold functions, text search configurations and their like by oid, when a bundle has these made anew.

use crate::support::{BundleBuilder, Platform, bundle};

/// Each column of each shape, in one table: type, value, and what makes the object in two forms.
struct Kind {
    name: &'static str,
    reg: &'static str,
    value: &'static str,
    before: &'static str,
    after: &'static str,
    file: &'static str,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "procedure",
        reg: "regprocedure",
        value: "hook(integer)",
        before: "CREATE FUNCTION hook(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
        after: "CREATE FUNCTION hook(a int) RETURNS text LANGUAGE sql AS $$SELECT 'x'$$;",
        file: "functions/hook.sql",
    },
    Kind {
        name: "moved",
        reg: "regproc",
        value: "moved",
        before: "CREATE FUNCTION moved(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
        after: "CREATE FUNCTION moved(a bigint) RETURNS int LANGUAGE sql AS 'SELECT 1';",
        file: "functions/moved.sql",
    },
    Kind {
        name: "op",
        reg: "regoperator",
        value: "@#@(integer,integer)",
        before: "CREATE OPERATOR @#@ (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl);",
        after: "CREATE OPERATOR @#@ (LEFTARG = int, RIGHTARG = int, FUNCTION = int4mul);",
        file: "types/op.sql",
    },
    Kind {
        name: "config",
        reg: "regconfig",
        value: "mycfg",
        before: "CREATE TEXT SEARCH CONFIGURATION mycfg (COPY = simple);",
        after: "CREATE TEXT SEARCH CONFIGURATION mycfg (COPY = english);",
        file: "types/config.sql",
    },
    Kind {
        name: "dict",
        reg: "regdictionary",
        value: "mydict",
        before: "CREATE TEXT SEARCH DICTIONARY mydict (TEMPLATE = simple);",
        after: "CREATE TEXT SEARCH DICTIONARY mydict (TEMPLATE = simple, STOPWORDS = english);",
        file: "types/dict.sql",
    },
    Kind {
        name: "coll",
        reg: "regcollation",
        value: "mycoll",
        before: "CREATE COLLATION mycoll (LOCALE = 'C');",
        after: "CREATE COLLATION mycoll (LOCALE = 'POSIX');",
        file: "types/coll.sql",
    },
    Kind {
        name: "rel",
        reg: "regclass",
        value: "seen",
        before: "CREATE VIEW seen AS SELECT 1 AS a, 2 AS b;",
        after: "CREATE VIEW seen AS SELECT 2 AS b;",
        file: "views/seen.sql",
    },
    Kind { name: "type", reg: "regtype", value: "seen[]", before: "", after: "", file: "types/nothing.sql" },
];

fn files(kinds: &[&Kind], is_after: bool, table: &str) -> BundleBuilder {
    let of =
        |files: BundleBuilder, kind: &&Kind| files.file(kind.file, if is_after { kind.after } else { kind.before });
    kinds.iter().fold(bundle(), of).file("types/shapes.sql", shapes(kinds)).file("tables/t.sql", table)
}

fn shapes(kinds: &[&Kind]) -> String {
    let of = |kind: &&Kind| {
        let Kind { name, reg, .. } = kind;
        format!(
            "CREATE DOMAIN d_{name} AS {reg}; CREATE DOMAIN l_{name} AS {reg}[]; CREATE TYPE c_{name} AS (n int, v d_{name}[]);\n"
        )
    };
    kinds.iter().map(of).collect()
}

/// The table with a plain column, an array, a domain and a domain over an array of each kind.
fn table(kinds: &[&Kind]) -> String {
    let of = |kind: &&Kind| {
        let Kind { name, reg, .. } = kind;
        format!(", {name}_p {reg}, {name}_a {reg}[], {name}_d d_{name}, {name}_l l_{name}, {name}_x d_{name}[]")
    };
    let columns: String = kinds.iter().map(of).collect();
    format!("CREATE TABLE t (id int PRIMARY KEY{columns});")
}

fn insert(kinds: &[&Kind]) -> String {
    let of = |kind: &&Kind| {
        let value = kind.value;
        format!(", '{value}', '{{\"{value}\",NULL,\"{value}\"}}', '{value}', '{{\"{value}\"}}', '{{\"{value}\"}}'")
    };
    format!("INSERT INTO t VALUES (1{})", kinds.iter().map(of).collect::<String>())
}

#[tokio::test]
async fn values_that_mean_what_is_made_anew_follow_it() {
    let kinds: Vec<&Kind> = KINDS.iter().collect();
    let table = table(&kinds);
    let platform = Platform::new();
    platform.register(&files(&kinds, false, &table)).await.ready();
    let sql = platform.sql().await;
    sql.run(&insert(&kinds)).await;
    sql.run("INSERT INTO t (id, procedure_p, config_a) VALUES (2, 'now()', '{english}'), (3, NULL, '{}')").await;
    let before = sql.rows("SELECT t::text FROM t ORDER BY id").await;
    let oids = "SELECT concat_ws(' ', procedure_p::oid, moved_p::oid, op_p::oid, config_p::oid, dict_p::oid, coll_p::oid, rel_p::oid, type_p::oid)
                FROM t WHERE id = 1";
    let old: Vec<String> = sql.value(oids).await.split(' ').map(str::to_owned).collect();
    platform.register_forced(&files(&kinds, true, &table)).await.ready();
    assert_eq!(sql.rows("SELECT t::text FROM t ORDER BY id").await, before);
    let new: Vec<String> = sql.value(oids).await.split(' ').map(str::to_owned).collect();
    let kept: Vec<_> = KINDS.iter().zip(old.iter().zip(&new)).filter(|(_, (old, new))| old == new).collect();
    assert!(kept.is_empty(), "made anew: {:?}", kept.iter().map(|(kind, _)| kind.name).collect::<Vec<_>>());
}

/// What cannot follow: inside of a row, under a trigger of the platform's, without an heir.
#[tokio::test]
async fn values_that_cannot_follow_refuse_the_deployment_in_words() {
    let kinds: Vec<&Kind> = KINDS.iter().take(1).collect();
    let watch = "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';";
    let trigger = "CREATE TRIGGER w BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION watch();";
    let plain = "CREATE TABLE t (id int PRIMARY KEY, v regprocedure);";
    let nested = "CREATE TABLE t (id int PRIMARY KEY, v c_procedure);";
    let held = "INSERT INTO t VALUES (1, 'hook(int)')";
    let inside = "INSERT INTO t VALUES (1, ROW(1, '{hook(int)}'))";
    for (table, insert, trigger, hook, words) in [
        (nested, inside, "", KINDS[0].after, "inside of other values"),
        (plain, held, trigger, KINDS[0].after, "triggers or rules on the table"),
        (plain, held, "", "", "it is no longer there"),
    ] {
        let platform = Platform::new();
        let of = |hook: &str| {
            let made = files(&kinds, false, table).file("functions/watch.sql", watch);
            made.file("functions/trigger.sql", trigger).file("functions/hook.sql", hook)
        };
        platform.register(&of(KINDS[0].before)).await.ready();
        platform.sql().await.run(insert).await;
        let refused = platform.register_forced(&of(hook)).await;
        assert_eq!(refused.status, 409, "{words}: {refused}");
        for word in [words, "1 value in column v of table public.t", "hook(integer)", "write a migration"] {
            assert!(refused.to_string().contains(word), "no {word:?} in {refused}");
        }
        assert!(platform.sql().await.value("SELECT v::text FROM t").await.contains("hook(integer)"));
        let migrated = of(hook).file("migrations/1.sql", "UPDATE t SET v = NULL;");
        platform.register_forced(&migrated).await.ready();
    }
}
