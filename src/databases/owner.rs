//! Whose a database is (contract §2): every database remembers the platform and the ids as they were given.

use std::collections::HashMap;

use serde::ser::{Serialize, SerializeMap, Serializer};
use tokio_postgres::Row;

use super::Databases;
use super::error::DatabaseError;
use super::name::{Address, DatabaseName, Id, Which};

/// What is known of the database that an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// No record, no database.
    Missing,
    /// It is the platform's, under these very ids.
    Recorded {
        /// False when somebody dropped it by hand.
        exists_on_server: bool,
    },
    /// Another platform has the name.
    OtherPlatform,
    /// The platform has the name, but under other ids that read the same.
    OtherSpelling {
        /// The ids on record, for a sentence.
        recorded: String,
    },
    /// Somebody is making it for the first time, or was when the gateway was killed: whoever has the deployment lock knows
    /// which, and settles it ([`Databases::settle_record`]).
    Unfinished,
    /// It exists, made by hand: the first to register adopts it.
    Unrecorded,
}

/// What a platform has on record.
#[derive(Clone, Debug)]
pub struct Owned {
    /// How many databases.
    pub databases: usize,
    /// The platform's name, as one of them was asked for.
    pub given: String,
}

/// One database of a platform.
#[derive(Clone, Debug)]
pub struct DatabaseInfo {
    /// Its name on the server.
    pub name: DatabaseName,
    /// Which of the platform's databases, with the ids as they were given.
    pub which: Which,
    /// Its size; `None` when it is gone, or when the gateway may not ask.
    pub size_bytes: Option<u64>,
    /// False when somebody dropped it by hand.
    pub exists_on_server: bool,
    /// When it was recorded: RFC 3339, UTC.
    pub created_at: String,
}

impl DatabaseInfo {
    /// `main`, `tenant` or `schema` (made from a stored schema).
    pub fn kind(&self) -> &'static str {
        match self.which {
            Which::Main => "main",
            Which::Tenant(_) => "tenant",
            Which::Stored { .. } => "schema",
        }
    }

    /// Its size in MiB, rounded up.
    pub fn size_mb(&self) -> Option<u64> {
        self.size_bytes.map(|bytes| bytes.div_ceil(1024 * 1024))
    }
}

/// As lists show it. `missing` only where it is.
impl Serialize for DatabaseInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", self.name.as_str())?;
        map.serialize_entry("type", self.kind())?;
        match &self.which {
            Which::Main => {}
            Which::Tenant(tenant) => map.serialize_entry("tenant_id", tenant.given())?,
            Which::Stored { schema, database } => {
                map.serialize_entry("schema_name", schema.given())?;
                map.serialize_entry("database_id", database.given())?;
            }
        }
        map.serialize_entry("size_mb", &self.size_mb())?;
        map.serialize_entry("created_at", &self.created_at)?;
        if !self.exists_on_server {
            map.serialize_entry("missing", &true)?;
        }
        map.end()
    }
}

/// The ids of a record, as they were given; from a row with `tenant_id`, `schema_name` and `database_id`.
pub(super) fn read_which(row: &Row) -> Result<Which, DatabaseError> {
    let id = |field: &'static str| {
        let given: Option<String> = row.get(field);
        given.map(|given| Id::parse(field, &given)).transpose()
    };
    Ok(match (id("schema_name")?, id("database_id")?, id("tenant_id")?) {
        (Some(schema), Some(database), _) => Which::Stored { schema, database },
        (_, _, Some(tenant)) => Which::Tenant(tenant),
        _ => Which::Main,
    })
}

/// The three columns of the ids.
fn columns(which: &Which) -> [Option<&str>; 3] {
    match which {
        Which::Main => [None, None, None],
        Which::Tenant(tenant) => [Some(tenant.given()), None, None],
        Which::Stored { schema, database } => [None, Some(schema.given()), Some(database.given())],
    }
}

/// Without what is still being made.
const COUNT_BY_PLATFORM: &str = "
    SELECT r.platform, pg_catalog.count(*), pg_catalog.min(r.platform_given) FROM public.databases AS r
    LEFT JOIN pg_catalog.pg_database AS d ON d.datname = r.name
    WHERE r.creating IS NULL OR d.oid IS NOT NULL GROUP BY r.platform";

impl Databases {
    /// Who has the name that `address` makes.
    pub async fn find(&self, address: &Address) -> Result<Ownership, DatabaseError> {
        let control = self.control().await?;
        let row = control
            .query_one(
                "SELECT r.platform, r.tenant_id, r.schema_name, r.database_id, r.creating IS NOT NULL AS creating,
                        d.oid IS NOT NULL AS on_server
                 FROM (SELECT $1::text AS name) AS wanted
                 LEFT JOIN public.databases AS r USING (name)
                 LEFT JOIN pg_catalog.pg_database AS d ON d.datname = wanted.name",
                &[&address.name().as_str()],
            )
            .await
            .map_err(DatabaseError::step("looking up the database's owner"))?;
        let exists_on_server: bool = row.get("on_server");
        let Some(platform) = row.get::<_, Option<String>>("platform") else {
            return Ok(if exists_on_server { Ownership::Unrecorded } else { Ownership::Missing });
        };
        if row.get("creating") && !exists_on_server {
            return Ok(Ownership::Unfinished);
        }
        if platform != address.platform().normal() {
            return Ok(Ownership::OtherPlatform);
        }
        let recorded = read_which(&row)?;
        if !recorded.is_written_like(address.which()) {
            return Ok(Ownership::OtherSpelling { recorded: recorded.sentence() });
        }
        Ok(Ownership::Recorded { exists_on_server })
    }

    /// Records the platform as the owner of a database that is there. Recorded already under the same ids is no error.
    pub async fn claim(&self, address: &Address) -> Result<(), DatabaseError> {
        self.record(address, false).await
    }

    /// The same for a database that is about to be made: until it is whole, the record is marked ([`super::unfinished`]).
    pub(super) async fn claim_new(&self, address: &Address) -> Result<(), DatabaseError> {
        self.record(address, true).await
    }

    async fn record(&self, address: &Address, creating: bool) -> Result<(), DatabaseError> {
        let [tenant_id, schema_name, database_id] = columns(address.which());
        let control = self.control().await?;
        let inserted = control
            .execute(
                "INSERT INTO public.databases
                     (name, platform, platform_given, tenant_id, schema_name, database_id, creating)
                 VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $7 THEN pg_catalog.now() END)
                 ON CONFLICT (name) DO NOTHING",
                &[
                    &address.name().as_str(),
                    &address.platform().normal(),
                    &address.platform().given(),
                    &tenant_id,
                    &schema_name,
                    &database_id,
                    &creating,
                ],
            )
            .await
            .map_err(DatabaseError::step("recording the database's owner"))?;
        drop(control);
        if inserted == 1 {
            self.routes.forget(address.platform());
            return Ok(());
        }
        let database = address.name().clone();
        match self.find(address).await? {
            Ownership::OtherPlatform | Ownership::Unfinished => Err(DatabaseError::OtherPlatform { database }),
            Ownership::OtherSpelling { recorded } => Err(DatabaseError::OtherSpelling { database, recorded }),
            // The last two: released between the two statements. Whoever holds the deployment lock does not see that.
            Ownership::Recorded { .. } | Ownership::Missing | Ownership::Unrecorded => Ok(()),
        }
    }

    /// The names of the platform's main database and of its tenants', by name: those on record that the server has.
    pub async fn of_platform(&self, platform: &Id) -> Result<Vec<DatabaseName>, DatabaseError> {
        let control = self.control().await?;
        let rows = control
            .query(
                "SELECT r.name FROM public.databases AS r JOIN pg_catalog.pg_database AS d ON d.datname = r.name
                 WHERE r.platform = $1 AND r.schema_name IS NULL ORDER BY r.name",
                &[&platform.normal()],
            )
            .await
            .map_err(DatabaseError::step("listing the platform's databases"))?;
        Ok(rows.iter().map(|row| DatabaseName::recorded(row.get(0))).collect())
    }

    /// The names of the databases made from a stored schema, by name: those that the server has.
    pub async fn of_schema(&self, platform: &Id, schema: &Id) -> Result<Vec<DatabaseName>, DatabaseError> {
        let control = self.control().await?;
        let rows = control
            .query(
                "SELECT r.name FROM public.databases AS r JOIN pg_catalog.pg_database AS d ON d.datname = r.name
                 WHERE r.platform = $1 AND r.schema_name = $2
                 ORDER BY r.name",
                &[&platform.normal(), &schema.given()],
            )
            .await
            .map_err(DatabaseError::step("listing the schema's databases"))?;
        Ok(rows.iter().map(|row| DatabaseName::recorded(row.get(0))).collect())
    }

    /// Whether a database is on record for the platform. Asked by calls of platforms that nobody knows.
    pub async fn has_any(&self, platform: &Id) -> Result<bool, DatabaseError> {
        let control = self.control().await?;
        let query = "SELECT EXISTS (SELECT FROM public.databases AS r
                                    LEFT JOIN pg_catalog.pg_database AS d ON d.datname = r.name
                                    WHERE r.platform = $1 AND (r.creating IS NULL OR d.oid IS NOT NULL))";
        let row = control.query_one(query, &[&platform.normal()]).await;
        Ok(row.map_err(DatabaseError::step("asking whether the platform has a database"))?.get(0))
    }

    /// How many databases are on record for each platform, by its normal name.
    pub async fn count_by_platform(&self) -> Result<HashMap<String, Owned>, DatabaseError> {
        let control = self.control().await?;
        let rows = control.query(COUNT_BY_PLATFORM, &[]).await;
        let rows = rows.map_err(DatabaseError::step("counting databases"))?;
        let owned =
            |row: &Row| Owned { databases: usize::try_from(row.get::<_, i64>(1)).unwrap_or(0), given: row.get(2) };
        Ok(rows.iter().map(|row| (row.get(0), owned(row))).collect())
    }

    /// Every database on record for the platform, by name. Blueprints are not among them.
    pub async fn list(&self, platform: &Id) -> Result<Vec<DatabaseInfo>, DatabaseError> {
        // Sizes are asked of the file system, database by database: on the account of whoever has so many.
        let _turn = self.on_behalf_of(platform, self.pools.config.wait_timeout).admit_statement().await?;
        let control = self.control().await?;
        let rows = control
            .query(
                // Asking for the size of a database that was dropped a moment ago is an error; a file that is being
                // made away with is not: hence the look at pg_database first.
                "SELECT r.name, r.tenant_id, r.schema_name, r.database_id, d.oid IS NOT NULL AS on_server,
                        CASE WHEN d.oid IS NOT NULL
                              AND (pg_catalog.has_database_privilege(d.oid, 'CONNECT')
                                   OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'))
                             THEN pg_catalog.pg_database_size(d.oid) END AS size_bytes,
                        pg_catalog.to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS created_at
                 FROM public.databases AS r
                 LEFT JOIN pg_catalog.pg_database AS d ON d.datname = r.name
                 WHERE r.platform = $1 AND (r.creating IS NULL OR d.oid IS NOT NULL)
                 ORDER BY r.name",
                &[&platform.normal()],
            )
            .await
            .map_err(DatabaseError::step("listing the platform's databases"))?;
        rows.iter().map(read_info).collect()
    }
}

fn read_info(row: &Row) -> Result<DatabaseInfo, DatabaseError> {
    Ok(DatabaseInfo {
        name: DatabaseName::recorded(row.get("name")),
        which: read_which(row)?,
        size_bytes: row.get::<_, Option<i64>>("size_bytes").and_then(|bytes| u64::try_from(bytes).ok()),
        exists_on_server: row.get("on_server"),
        created_at: row.get("created_at"),
    })
}
