//! What is in a cluster: databases, roles, extensions, settings. Asked as the superuser, under PostgreSQL's own names: a platform's
//! database may have settings of its owner's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use tokio_postgres::{Client, Config, NoTls};

use super::super::EmbeddedError;
use super::super::folder::Folder;
use super::UpgradeError;
use crate::databases::{quote_ident, record_as_initial, upgrading};

/// Databases that the gateway makes again.
const PASSING: [&str; 3] = ["stonescriptdb-blueprint-", "stonescriptdb-new-", "stonescriptdb-rehearsal-"];

fn is_passing(database: &str) -> bool {
    PASSING.iter().any(|start| database.starts_with(start))
}

pub(super) async fn connect(config: &Config, database: &str) -> Result<Client, UpgradeError> {
    let connected = config.clone().dbname(database).options(upgrading()).connect(NoTls).await;
    let (client, connection) = connected.map_err(asking("connecting to a database"))?;
    tokio::spawn(connection);
    Ok(client)
}

pub(super) fn asking(doing: &'static str) -> impl FnOnce(tokio_postgres::Error) -> UpgradeError {
    move |error| {
        let reason = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
        UpgradeError::Asking { doing, reason }
    }
}

/// What the old cluster has.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) encoding: String,
    pub(super) collation: String,
    pub(super) has_checksums: bool,
    databases: BTreeSet<String>,
    roles: BTreeSet<String>,
    /// What roles may do, in sentences.
    powers: BTreeSet<String>,
    /// Each with the databases that have it.
    extensions: BTreeMap<String, Vec<String>>,
    settings: BTreeMap<String, String>,
}

impl Contents {
    pub(super) async fn read(config: &Config) -> Result<Self, UpgradeError> {
        let client = connect(config, "postgres").await?;
        let sql = "SELECT pg_encoding_to_char(encoding), datcollate, current_setting('data_checksums') = 'on'
                   FROM pg_database WHERE datname = 'template0'";
        let row = client.query_one(sql, &[]).await.map_err(asking("reading the encoding"))?;
        let mut contents = Self {
            encoding: row.get(0),
            collation: row.get(1),
            has_checksums: row.get(2),
            databases: databases(&client).await?,
            roles: roles(&client).await?,
            powers: names(&client, POWERS).await?,
            extensions: BTreeMap::new(),
            settings: settings(&client).await?,
        };
        for database in contents.databases.iter().filter(|name| !is_passing(name)) {
            let client = connect(config, database).await?;
            // In the new version they may not be there as they are in this one.
            record_as_initial(&client).await.map_err(asking("recording which functions are closed"))?;
            let rows = client.query("SELECT extname::text FROM pg_extension", &[]).await;
            for row in rows.map_err(asking("reading extensions"))? {
                contents.extensions.entry(row.get(0)).or_default().push(database.clone());
            }
        }
        Ok(contents)
    }

    /// Also those that the gateway makes again.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.databases.iter().map(String::as_str)
    }

    /// Those that are brought over.
    pub(super) fn lasting(&self) -> impl Iterator<Item = &str> {
        self.databases.iter().map(String::as_str).filter(|name| !is_passing(name))
    }

    /// Whether the new server has the extensions.
    pub(super) async fn check_extensions(&self, new: &Config, major: u32) -> Result<(), UpgradeError> {
        let client = connect(new, "postgres").await?;
        let rows = client.query("SELECT name::text FROM pg_available_extensions", &[]).await;
        let rows = rows.map_err(asking("reading the new version's extensions"))?;
        let available: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        let missing = self.extensions.iter().filter(|(name, _)| !available.contains(*name));
        let described: Vec<String> = missing.map(|(name, databases)| describe(name, databases)).collect();
        if described.is_empty() {
            return Ok(());
        }
        Err(UpgradeError::NoExtensions { new: major, missing: described.join(", ") })
    }

    /// What the files of the old cluster set otherwise than those of the new one.
    pub(super) async fn settings_to_set(&self, new: &Config) -> Result<Vec<String>, UpgradeError> {
        let there = settings(&connect(new, "postgres").await?).await?;
        let other = self.settings.iter().filter(|(name, value)| there.get(*name) != Some(*value));
        Ok(other.map(|(name, value)| format!("{name} = {value}")).collect())
    }

    /// Whether the new cluster has the same databases and roles.
    pub(super) async fn verify(&self, new: &Config) -> Result<(), UpgradeError> {
        let client = connect(new, "postgres").await?;
        let wanted: BTreeSet<String> = self.lasting().map(str::to_owned).collect();
        compare("databases", &wanted, &databases(&client).await?)?;
        compare("roles", &self.roles, &roles(&client).await?)?;
        // Code that ran as the superuser while they came over would have given its role more than it had.
        let powers = names(&client, POWERS).await?;
        match powers.difference(&self.powers).next() {
            None => Ok(()),
            Some(power) => Err(UpgradeError::Empowered { power: power.clone() }),
        }
    }
}

fn describe(extension: &str, databases: &[String]) -> String {
    match databases {
        [] => extension.to_owned(),
        [one] => format!("{extension} (in {one})"),
        [one, rest @ ..] => format!("{extension} (in {one} and {} more)", rest.len()),
    }
}

fn compare(what: &str, wanted: &BTreeSet<String>, found: &BTreeSet<String>) -> Result<(), UpgradeError> {
    let listed = |names: Vec<&String>| names.into_iter().take(20).cloned().collect::<Vec<_>>().join(", ");
    let missing = listed(wanted.difference(found).collect());
    let surplus = listed(found.difference(wanted).collect());
    if wanted == found {
        return Ok(());
    }
    Err(UpgradeError::Incomplete { difference: format!("{what} missing: [{missing}], too many: [{surplus}]") })
}

/// What each role but PostgreSQL's own may do beyond an ordinary one, and what it is a member of.
const POWERS: &str = "
    SELECT pg_catalog.format('%I %s', r.rolname, power)
    FROM pg_catalog.pg_authid AS r, LATERAL (VALUES
        (r.rolsuper, 'is a superuser'), (r.rolcreaterole, 'has CREATEROLE'), (r.rolcreatedb, 'has CREATEDB'),
        (r.rolreplication, 'has REPLICATION'), (r.rolbypassrls, 'has BYPASSRLS')) AS powers (is_so, power)
    WHERE is_so AND r.rolname !~ '^pg_'
    UNION
    SELECT pg_catalog.format('%I is a member of %I', r.rolname, other.rolname)
    FROM pg_catalog.pg_auth_members AS m
    JOIN pg_catalog.pg_authid AS r ON r.oid = m.member JOIN pg_catalog.pg_authid AS other ON other.oid = m.roleid
    WHERE r.rolname !~ '^pg_'";

async fn databases(client: &Client) -> Result<BTreeSet<String>, UpgradeError> {
    names(client, "SELECT datname::text FROM pg_database WHERE datname <> 'template0'").await
}

async fn roles(client: &Client) -> Result<BTreeSet<String>, UpgradeError> {
    names(client, "SELECT rolname::text FROM pg_authid WHERE rolname !~ '^pg_'").await
}

async fn names(client: &Client, sql: &str) -> Result<BTreeSet<String>, UpgradeError> {
    let rows = client.query(sql, &[]).await.map_err(asking("reading names"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn settings(client: &Client) -> Result<BTreeMap<String, String>, UpgradeError> {
    // The last one counts.
    let sql =
        "SELECT name, setting FROM pg_file_settings WHERE name IS NOT NULL AND setting IS NOT NULL ORDER BY seqno";
    let rows = client.query(sql, &[]).await.map_err(asking("reading settings"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Drops what the gateway makes again.
pub(super) async fn drop_passing(config: &Config) -> Result<(), UpgradeError> {
    let client = connect(config, "postgres").await?;
    for name in databases(&client).await?.iter().filter(|name| is_passing(name)) {
        let name = quote_ident(name);
        for sql in [format!("ALTER DATABASE {name} WITH IS_TEMPLATE false"), format!("DROP DATABASE {name}")] {
            client.batch_execute(&sql).await.map_err(asking("leaving a blueprint behind"))?;
        }
    }
    Ok(())
}

/// Only what came by `pg_upgrade` has none until somebody asks for it. One that fails costs time later, no more.
pub(super) async fn analyze(config: &Config, contents: &Contents) {
    for database in contents.lasting() {
        if let Ok(client) = connect(config, database).await {
            let _ = client.batch_execute("ANALYZE").await;
        }
    }
}

/// Databases that let nobody in. They are open while they are read, to superusers alone. A file has their names, for the command
/// after one that was killed.
#[derive(Debug, Default)]
pub(super) struct Opened(BTreeMap<String, i32>);

impl Opened {
    pub(super) async fn find(config: &Config, folder: &Folder) -> Result<Self, UpgradeError> {
        let Self(mut closed) = Self::left(folder)?;
        let client = connect(config, "postgres").await?;
        let sql =
            "SELECT datname::text, datconnlimit FROM pg_database WHERE NOT datallowconn AND datname <> 'template0'";
        let rows = client.query(sql, &[]).await.map_err(asking("reading which databases are closed"))?;
        closed.extend(rows.iter().map(|row| (row.get(0), row.get(1))));
        Ok(Self(closed))
    }

    /// Those that a command which was killed has left open.
    pub(super) fn left(folder: &Folder) -> Result<Self, UpgradeError> {
        let file = Self::file(folder);
        match fs::read(&file) {
            // Half of a file was written before anything was opened.
            Ok(text) => Ok(Self(serde_json::from_slice(&text).unwrap_or_default())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(EmbeddedError::io("reading", &file)(error).into()),
        }
    }

    fn file(folder: &Folder) -> PathBuf {
        folder.path().join(".postgres-opened")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) async fn open(&self, config: &Config, folder: &Folder) -> Result<(), UpgradeError> {
        if self.is_empty() {
            return Ok(());
        }
        let file = Self::file(folder);
        let text = serde_json::to_vec(&self.0).unwrap_or_default();
        fs::write(&file, text).map_err(EmbeddedError::io("writing", &file))?;
        self.alter(config, |_| "ALLOW_CONNECTIONS true CONNECTION LIMIT 0".to_owned()).await
    }

    /// As they were; in the new cluster, too.
    pub(super) async fn close(&self, config: &Config) -> Result<(), UpgradeError> {
        self.alter(config, |limit| format!("ALLOW_CONNECTIONS false CONNECTION LIMIT {limit}")).await
    }

    async fn alter(&self, config: &Config, state: impl Fn(i32) -> String) -> Result<(), UpgradeError> {
        let client = connect(config, "postgres").await?;
        let there = databases(&client).await?;
        for (name, limit) in self.0.iter().filter(|(name, _)| there.contains(*name)) {
            let sql = format!("ALTER DATABASE {} WITH {}", quote_ident(name), state(*limit));
            client.batch_execute(&sql).await.map_err(asking("opening and closing a database"))?;
        }
        Ok(())
    }

    pub(super) fn forget(&self, folder: &Folder) -> Result<(), UpgradeError> {
        let file = Self::file(folder);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(EmbeddedError::io("removing", &file)(error).into())
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
