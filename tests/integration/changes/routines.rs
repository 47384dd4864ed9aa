//! What a routine promises of itself beside its body: each is declared, told apart by name, and put back.

use crate::support::{Platform, Sql, bundle};

/// A word of `CREATE FUNCTION`, what `ALTER FUNCTION` says to take it back, and where the catalog has it.
const PROMISES: &[(&str, &str, &str, [&str; 2])] = &[
    ("IMMUTABLE", "VOLATILE", "provolatile::text", ["v", "i"]),
    ("STABLE", "VOLATILE", "provolatile::text", ["v", "s"]),
    ("STRICT", "CALLED ON NULL INPUT", "proisstrict::text", ["false", "true"]),
    ("PARALLEL SAFE", "PARALLEL UNSAFE", "proparallel::text", ["u", "s"]),
    ("PARALLEL RESTRICTED", "PARALLEL UNSAFE", "proparallel::text", ["u", "r"]),
    ("LEAKPROOF", "NOT LEAKPROOF", "proleakproof::text", ["false", "true"]),
    ("COST 7", "COST 100", "procost::text", ["100", "7"]),
    ("SECURITY DEFINER", "SECURITY INVOKER", "prosecdef::text", ["false", "true"]),
    ("SET work_mem = '5MB'", "RESET work_mem", "coalesce(proconfig::text, '')", ["", "{work_mem=5MB}"]),
];

fn function(word: &str) -> String {
    format!("CREATE OR REPLACE FUNCTION f(n int) RETURNS int LANGUAGE plpgsql {word} AS $$ BEGIN RETURN n; END $$;")
}

#[tokio::test]
async fn each_promise_of_a_routine_comes_and_goes() {
    for (word, _, column, [without, with]) in PROMISES {
        let platform = Platform::new();
        for (text, expected) in [("", without), (*word, with), ("", without)] {
            platform.register(&bundle().file("functions/f.sql", function(text))).await.ready();
            check(&platform.sql().await, column, expected, word).await;
        }
    }
}

#[tokio::test]
async fn a_promise_that_was_taken_back_by_hand_is_put_back() {
    for (word, back, column, [without, with]) in PROMISES {
        let platform = Platform::new();
        let declared = bundle().file("functions/f.sql", function(word));
        platform.register(&declared).await.ready();
        let sql = platform.sql().await;
        sql.run(&format!("ALTER FUNCTION f {back}")).await;
        check(&sql, column, without, word).await;
        platform.register(&declared).await.ready();
        check(&sql, column, with, word).await;
    }
}

async fn check(sql: &Sql, column: &str, expected: &str, word: &str) {
    let value = sql.value(&format!("SELECT {column} FROM pg_proc WHERE oid = 'f(int)'::regprocedure")).await;
    assert_eq!(value, expected, "{word}");
}
