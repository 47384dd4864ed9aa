//! Names of every shape that PostgreSQL allows.

use serde_json::json;

use crate::support::{Platform, bundle, calls_what_is_planted, check_deploys_as_psql_would};

#[tokio::test]
async fn names_with_stars_slashes_spaces_and_capitals_deploy() {
    if calls_what_is_planted() {
        return;
    }
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/Order Item.sql",
            "CREATE TABLE \"Order Item\" (\"Id\" int PRIMARY KEY, \"Order Id\" int
             REFERENCES \"Order\", \"*/*\" text);",
        )
        .file(
            "tables/a-b/c.d/Order.sql",
            "CREATE TABLE \"Order\" (\"Id\" int PRIMARY KEY, \"select\" text
             DEFAULT \"*/*\"(1), \"/*\" int);",
        )
        .file(
            "tables/odd.sql",
            "CREATE TABLE \"*/*\" (\"--\" int PRIMARY KEY, \"; DROP\" int
             REFERENCES \"Order Item\"(\"Id\"));
             COMMENT ON TABLE \"*/*\" IS 'any; type';",
        )
        .file(
            "functions/any.sql",
            "CREATE FUNCTION \"*/*\"(\"p /*\" int) RETURNS text LANGUAGE sql AS $$
             SELECT '/* ' || \"p /*\" || ' */' $$;",
        )
        .file(
            "functions/trigger.sql",
            "
             CREATE FUNCTION \"On Change\"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
             CREATE TRIGGER \"on; change\" BEFORE INSERT ON \"Order Item\"
             FOR EACH ROW EXECUTE FUNCTION \"On Change\"();",
        )
        .file("types/Kind.sql", "CREATE TYPE \"Kind of \"\"thing\"\"\" AS ENUM ('a/b', '*/*');")
        .file("tables/thing.sql", "CREATE TABLE \"a/b\" (k \"Kind of \"\"thing\"\"\" DEFAULT '*/*', \"Größe\" int);")
        .file(
            "views/All Items.sql",
            "CREATE VIEW \"All Items\" AS SELECT i.*, \"*/*\"(1) AS \"any\"
             FROM \"Order Item\" i;",
        )
        .file("migrations/001 first; step.sql", "CREATE TABLE \"From Migration\" (\"Id\" int REFERENCES \"*/*\");")
        .file(
            "seeders/x.sql",
            "INSERT INTO \"Order Item\" (\"Id\", \"Order Id\") VALUES (1, 7);
             INSERT INTO \"Order\" (\"Id\") VALUES (7);",
        );
    check_deploys_as_psql_would(&platform, &bundle).await.counts(&[("tables_created", 4), ("functions_deployed", 2)]);
    assert_eq!(platform.sql().await.rows("SELECT * FROM \"All Items\"").await, [["1", "7", "∅", "/* 1 */"]]);
}

#[tokio::test]
async fn names_that_are_types_and_keywords_deploy() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/bit.sql", "CREATE TABLE \"bit\" (id int PRIMARY KEY, \"int\" int, value \"date\");")
        .file("tables/user.sql", "CREATE TABLE \"user\" (\"end\" int PRIMARY KEY, \"table\" int REFERENCES \"bit\");")
        .file(
            "tables/text.sql",
            "CREATE TABLE public.text (\"default\" pg_catalog.text, id int REFERENCES public.\"group\" (\"order\"));",
        )
        .file(
            "tables/group.sql",
            "CREATE TABLE \"group\" (\"order\" int UNIQUE, \"limit\" int CHECK (\"limit\" > \"left\"(1)));",
        )
        .file("types/date.sql", "CREATE DOMAIN public.\"date\" AS pg_catalog.date CHECK (VALUE > '2000-01-01');")
        .file(
            "functions/left.sql",
            "CREATE FUNCTION public.\"left\"(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';",
        )
        .file(
            "functions/bit.sql",
            "CREATE FUNCTION \"bit\"(b public.\"bit\") RETURNS int LANGUAGE sql AS 'SELECT b.id';",
        )
        .file(
            "functions/name.sql",
            "CREATE FUNCTION name(p_name text, type text) RETURNS text LANGUAGE sql AS $$ SELECT p_name || type $$;",
        )
        .file("views/window.sql", "CREATE VIEW \"window\" AS SELECT \"bit\"(b) AS \"all\" FROM public.\"bit\" b;");
    check_deploys_as_psql_would(&platform, &bundle).await;
    assert_eq!(platform.value_of("name", json!({"p_name": "a", "type": "b"})).await, json!("ab"));
}

#[tokio::test]
async fn names_in_other_alphabets_and_of_the_greatest_length_deploy() {
    let platform = Platform::new();
    let longest = "n".repeat(63);
    let bundle = bundle()
        .file("tables/größe.sql", "CREATE TABLE größe (größe_id int PRIMARY KEY, straße text REFERENCES \"Straße\");")
        .file(
            "tables/Straße.sql",
            "CREATE TABLE \"Straße\" (名前 text PRIMARY KEY, \"🙂\" boolean DEFAULT \"функция\"());",
        )
        .file("tables/long.sql", format!("CREATE TABLE {longest} ({longest} int PRIMARY KEY REFERENCES größe);"))
        .file("functions/функция.sql", "CREATE FUNCTION \"функция\"() RETURNS boolean LANGUAGE sql AS 'SELECT true';")
        .file(
            "functions/long.sql",
            format!("CREATE FUNCTION {longest}() RETURNS SETOF {longest} LANGUAGE sql AS 'TABLE {longest}';"),
        )
        .file("migrations/001_größe.sql", "INSERT INTO größe (größe_id) VALUES (1);");
    check_deploys_as_psql_would(&platform, &bundle).await;
}

#[tokio::test]
async fn capitals_count_only_in_quotes() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/a.sql", "CREATE TABLE Users (ID INT PRIMARY KEY, Boss INT REFERENCES \"Users\" (id));")
        .file("tables/b.sql", "create table \"Users\" (id integer primary key, other integer references USERS);")
        .file("functions/count.sql", "Create Function CountUsers() Returns BIGINT Language SQL As $$ Select Count(*) From users u, \"Users\" v $$;");
    let platform_answer = platform.register(&bundle).await;
    platform_answer.ready().counts(&[("tables_created", 2)]);
    assert_eq!(platform.value_of("countusers", json!([])).await, json!(0));
}

#[tokio::test]
async fn schemas_made_by_a_table_file_hold_tables_of_the_same_name() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/a_items.sql",
            "CREATE TABLE sales.items (id int PRIMARY KEY, stock_id int REFERENCES \"Stock Room\".items);
             CREATE INDEX by_stock ON sales.items (stock_id);",
        )
        .file(
            "tables/b_items.sql",
            "CREATE TABLE \"Stock Room\".items (id int PRIMARY KEY, kind \"Stock Room\".kind);
             CREATE INDEX by_stock ON \"Stock Room\".items (kind);",
        )
        .file("tables/c_items.sql", "CREATE TABLE items (id int PRIMARY KEY, s sales.items);")
        .file("tables/z_schemas.sql", "CREATE SCHEMA sales; CREATE SCHEMA IF NOT EXISTS \"Stock Room\";")
        .file("types/kind.sql", "CREATE TYPE \"Stock Room\".kind AS ENUM ('box');")
        .file(
            "functions/count.sql",
            "CREATE FUNCTION sales.count_items() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM sales.items';",
        )
        .file("views/all.sql", "CREATE VIEW sales.all_items AS SELECT id FROM sales.items UNION SELECT id FROM items;");
    check_deploys_as_psql_would(&platform, &bundle).await.counts(&[("tables_created", 3), ("functions_deployed", 1)]);
    assert_eq!(platform.value_of("sales.count_items", json!([])).await, json!(0));
}
