//! The gateway's own database: who owns which database, and which blueprints there are.
//!
//! It is made on first need, so that a gateway starts while PostgreSQL is away; two gateways that start at once agree.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::Databases;
use super::budget::LaneId;
use super::connection::ControlConnection;
use super::error::DatabaseError;
use super::name::DatabaseName;
use super::pools::CONTROL_CONNECTIONS;
use super::quote::quote_ident;
use super::run_as::RunAs;
use super::server::{Link, Purpose};

/// The oldest major version of PostgreSQL that the gateway works with: it reads columns of the catalog that came with it
/// (`pg_publication_rel.prattrs`).
pub const OLDEST_MAJOR: u32 = 15;

/// Serialises the making of the tables between gateways; any number that nobody else uses in that database.
const TABLES_LOCK: i64 = 0x5354_4f4e_4553_4442;

/// Ids are kept as they were given; `platform` and `name` are normalised. `creating`: since when the database is being made
/// for the first time, see [`super::unfinished`]. `bundle`: the checksum of the one that it was deployed at last, for `GET /metrics` alone.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS public.databases (
        name text PRIMARY KEY,
        platform text NOT NULL,
        platform_given text NOT NULL,
        tenant_id text,
        schema_name text,
        database_id text,
        created_at timestamptz NOT NULL DEFAULT now()
    );
    ALTER TABLE public.databases ADD COLUMN IF NOT EXISTS creating timestamptz;
    ALTER TABLE public.databases ADD COLUMN IF NOT EXISTS bundle text;
    CREATE INDEX IF NOT EXISTS databases_platform ON public.databases (platform);
    CREATE TABLE IF NOT EXISTS public.blueprints (
        name text PRIMARY KEY,
        platform text NOT NULL,
        bundle_checksum text NOT NULL,
        owner_role text NOT NULL,
        report jsonb NOT NULL,
        schemas text[] NOT NULL DEFAULT '{}',
        built_at timestamptz NOT NULL DEFAULT now(),
        last_used_at timestamptz NOT NULL DEFAULT now()
    );";

/// Whether this gateway has seen its database whole.
#[derive(Debug, Default)]
pub(super) struct Records {
    ready: AtomicBool,
    /// Held while they are made; when and why that failed last.
    making: Mutex<Option<(Instant, String)>>,
}

impl Databases {
    /// A connection to the gateway's own database.
    pub async fn control(&self) -> Result<ControlConnection, DatabaseError> {
        self.ensure_records().await?;
        let control = self.pools.control();
        let pooled = match self.pools.pooled(&control).await {
            Err(DatabaseError::Gone { .. }) => {
                // Somebody dropped it: what can be made again is made again.
                self.records.ready.store(false, Ordering::Release);
                self.ensure_records().await?;
                self.pools.pooled(&self.pools.control()).await
            }
            result => result,
        };
        ControlConnection::new(pooled?)
    }

    /// Makes the gateway's own database and its tables, unless they are known to be there.
    pub(super) async fn ensure_records(&self) -> Result<(), DatabaseError> {
        if self.records.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        Box::pin(self.make_records_once()).await
    }

    async fn make_records_once(&self) -> Result<(), DatabaseError> {
        let asked = Instant::now();
        let mut failed = self.records.making.lock().await;
        if self.records.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        // Those who waited for an attempt share its end, else each would wait for a dead host in its turn.
        if let Some((_, cause)) = failed.as_ref().filter(|(when, _)| *when >= asked) {
            return Err(DatabaseError::Unreachable { cause: cause.clone() });
        }
        let made = self.make_records().await;
        if let Err(DatabaseError::Unreachable { cause }) = &made {
            *failed = Some((Instant::now(), cause.clone()));
        }
        made
    }

    async fn make_records(&self) -> Result<(), DatabaseError> {
        let database = DatabaseName::gateway();
        let _ticket = self.pools.ticket(LaneId::CONTROL, CONTROL_CONNECTIONS, &database).await?;
        let link = match self.open_control(&database).await {
            Err(DatabaseError::Gone { .. }) => {
                self.make_own_database(&database).await?;
                self.open_control(&database).await?
            }
            result => result?,
        };
        check_version(&link.client).await?;
        let made = make_tables(&link.client).await;
        link.close().await;
        made?;
        self.records.ready.store(true, Ordering::Release);
        Ok(())
    }

    async fn open_control(&self, database: &DatabaseName) -> Result<Link, DatabaseError> {
        let permit = self.pools.permit(database).await?;
        self.pools.server.open(database, Purpose::Control, permit, &RunAs::Gateway).await
    }

    async fn make_own_database(&self, database: &DatabaseName) -> Result<(), DatabaseError> {
        let link = self.open_maintenance().await?;
        let made = async {
            check_version(&link.client).await?;
            let name = quote_ident(database.as_str());
            let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
            match link.client.batch_execute(&create).await {
                Ok(()) => {}
                // Another gateway was quicker.
                Err(error) if is_duplicate(&error) => return Ok(()),
                Err(error) => return Err(DatabaseError::step("making the gateway's own database")(error)),
            }
            // Platforms have roles of their own; the gateway's records are none of their business.
            let close = format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC");
            link.client.batch_execute(&close).await.map_err(DatabaseError::step("closing the gateway's own database"))
        }
        .await;
        link.close().await;
        made
    }

    /// A connection to whichever database is there.
    async fn open_maintenance(&self) -> Result<Link, DatabaseError> {
        let mut last = DatabaseError::Unreachable { cause: "no database to connect to".to_owned() };
        for database in self.pools.server.maintenance_databases() {
            match self.open_control(&database).await {
                Ok(link) => return Ok(link),
                Err(error @ DatabaseError::Gone { .. }) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

fn is_duplicate(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| [SqlState::DUPLICATE_DATABASE, SqlState::UNIQUE_VIOLATION].contains(code))
}

async fn check_version(client: &Client) -> Result<(), DatabaseError> {
    let step = DatabaseError::step("asking for PostgreSQL's version");
    let rows = client.simple_query("SHOW server_version_num; SHOW server_version").await.map_err(step)?;
    let mut values = rows.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let number = values.next().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    if number / 10_000 < OLDEST_MAJOR {
        return Err(DatabaseError::TooOld { found: values.next().unwrap_or("of an unknown version").to_owned() });
    }
    Ok(())
}

async fn make_tables(client: &Client) -> Result<(), DatabaseError> {
    // One message is one transaction.
    let sql = format!("SELECT pg_catalog.pg_advisory_xact_lock({TABLES_LOCK}); {TABLES}");
    client.batch_execute(&sql).await.map_err(DatabaseError::step("making the gateway's own tables"))
}
