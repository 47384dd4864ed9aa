//! A look into a database behind the gateway's back, as superuser. Values come as text, as PostgreSQL prints them.

use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

use super::{gateway, hostile};

/// One connection.
pub(crate) struct Sql {
    client: Client,
}

impl Sql {
    /// Connects to a database of the test server.
    pub(crate) async fn connect(database: &str) -> Self {
        let mut config = gateway().postgres.clone();
        // What the tests write need not survive a power cut.
        let own_path = if hostile::is_on() { hostile::OWN_OPTIONS } else { "" };
        config.dbname(database).options(format!("-c synchronous_commit=off{own_path}"));
        let (client, connection) =
            config.connect(NoTls).await.unwrap_or_else(|error| panic!("connecting to {database}: {error:?}"));
        tokio::spawn(connection);
        Self { client }
    }

    /// Runs statements that must succeed.
    #[track_caller]
    pub(crate) fn run(&self, sql: &str) -> impl Future<Output = ()> {
        let run = self.try_run(sql);
        async move { run.await.expect("the test's own SQL is right") }
    }

    /// Runs statements that may fail.
    pub(crate) fn try_run(&self, sql: &str) -> impl Future<Output = Result<(), Error>> {
        self.client.batch_execute(sql)
    }

    /// The server's major version.
    pub(crate) async fn major_version() -> u32 {
        let number = Self::connect("postgres").await.value("SHOW server_version_num").await;
        number.parse::<u32>().expect("a number") / 10_000
    }

    /// All rows of a query; NULL is `∅`.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let messages = self
            .client
            .simple_query(sql)
            .await
            .unwrap_or_else(|error| panic!("{}: {sql}", error.as_db_error().map_or("", |error| error.message())));
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).unwrap_or("∅").to_owned()).collect())
            }
            _ => None,
        };
        messages.into_iter().filter_map(row).collect()
    }

    /// The first column of every row.
    pub(crate) async fn column(&self, sql: &str) -> Vec<String> {
        self.rows(sql).await.into_iter().filter_map(|row| row.into_iter().next()).collect()
    }

    /// The only value of a query with one row.
    pub(crate) async fn value(&self, sql: &str) -> String {
        let mut column = self.column(sql).await;
        assert_eq!(column.len(), 1, "rows of {sql}");
        column.remove(0)
    }
}

/// The databases whose names begin so, in order.
pub(crate) async fn databases_named(prefix: &str) -> Vec<String> {
    let list = format!("SELECT datname FROM pg_database WHERE starts_with(datname, '{prefix}') ORDER BY 1");
    Sql::connect("postgres").await.column(&list).await
}
