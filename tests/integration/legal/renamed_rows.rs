//! Rows that a migration takes to another declared table by renaming the one that they are in, while rules of that
//! declaration came later: in a new database they are where psql puts them, or the deployment says why not.

use crate::histories::History;
use crate::support::{Platform, bundle};

const ARCHIVED: &str = "create table log (id int, n int); insert into log values (1, null), (2, 7);
                        alter table log rename to archive; create table log (id int, n int);";

#[tokio::test]
async fn rows_that_do_not_keep_to_later_rules_yet_go_along() {
    let histories = [
        History {
            name: "a column that has to have a value later",
            files: &[
                ("tables/log.sql", "create table log (id int, n int);"),
                ("tables/archive.sql", "create table archive (id int, n int not null);"),
                ("migrations/1.sql", ARCHIVED),
                (
                    "migrations/2.sql",
                    "update archive set n = 5 where n is null; alter table archive alter column n set not null;",
                ),
            ],
            psql: "create table log (id int, n int); create table archive (id int, n int not null);",
            rows: ("select id::text || n from archive union all select 'log' from log order by 1", &["15", "27"]),
        },
        History {
            name: "a check and a unique column",
            files: &[
                ("tables/log.sql", "create table log (id int, n int);"),
                ("tables/archive.sql", "create table archive (id int unique, n int, check (n > 0));"),
                (
                    "migrations/1.sql",
                    "create table log (id int, n int); insert into log values (1, -1), (1, 7), (2, 8);
                     alter table log rename to archive; create table log (id int, n int);",
                ),
                (
                    "migrations/2.sql",
                    "delete from archive where n < 0; alter table archive add check (n > 0);
                     alter table archive add constraint archive_id_key unique (id);",
                ),
            ],
            psql: "create table log (id int, n int); create table archive (id int unique, n int, check (n > 0));",
            rows: ("select id::text || n from archive union all select 'log' from log order by 1", &["17", "28"]),
        },
    ];
    for history in &histories {
        history.check().await;
    }
}

#[tokio::test]
async fn rows_that_never_keep_to_them_are_refused_in_words() {
    let platform = Platform::new();
    let files = bundle()
        .file("tables/log.sql", "create table log (id int, n int);")
        .file("tables/archive.sql", "create table archive (id int, n int not null);")
        .file("migrations/1.sql", ARCHIVED);
    let answer = platform.register(&files).await;
    assert_eq!(answer.status, 409, "{answer}");
    let text = answer.to_string();
    assert!(text.contains("23502") && text.contains("migrations/1.sql") && text.contains("archive"), "{answer}");
}
