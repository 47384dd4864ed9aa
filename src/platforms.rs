//! Platforms that store their schemas on the gateway and create databases on demand (v2 of the API): the registry on disk,
//! the blueprints, and the databases brought together. [`Platforms`] is the way in; `api` asks, nothing else does.

mod error;
mod roles;
mod upkeep;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;
use utoipa::ToSchema;

pub use self::error::PlatformsError;
use self::roles::Known;
use crate::bundle::Bundle;
use crate::config::PlatformRoles;
use crate::databases::name::{Address, Id, Which};
use crate::databases::{DatabaseInfo, Databases, Owned, RunAs};
use crate::orchestrator::fleet::{Event, Migrated, Wish};
use crate::orchestrator::{Orchestrator, Report, SchemaDatabases, Turn};
use crate::registry::{PlatformRecord, Registry, RegistryError, SchemaRecord};
use crate::uploads::UploadMemory;

/// Everything that v2 of the API does. Cheap to clone.
#[derive(Clone)]
pub struct Platforms {
    registry: Registry,
    databases: Databases,
    orchestrator: Orchestrator,
    uploads: UploadMemory,
    /// `PLATFORM_ROLES`.
    generates_roles: bool,
    /// As whom platforms' code runs, for calls.
    known: Arc<Known>,
}

/// A platform in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PlatformSummary {
    /// As it was given.
    pub name: String,
    /// Stored schemas.
    pub schemas: usize,
    /// Databases on record, those of v1 too.
    pub databases: usize,
}

/// What a stored schema is after an upload.
#[derive(Clone, Debug)]
pub struct Stored {
    /// As it is listed.
    pub record: SchemaRecord,
    /// What was passed over in the bundle.
    pub warnings: Vec<String>,
}

/// The answer of `/database/create`, without its first fields.
#[derive(Clone, Debug)]
pub struct Created {
    /// What was made.
    pub report: Report,
    /// Its name.
    pub database: String,
    /// From the first look at the registry.
    pub execution_time_ms: u64,
}

impl Platforms {
    /// What it works with.
    pub fn new(
        registry: Registry,
        databases: Databases,
        orchestrator: Orchestrator,
        uploads: UploadMemory,
        roles: PlatformRoles,
    ) -> Self {
        let generates_roles = roles == PlatformRoles::Auto;
        Self { registry, databases, orchestrator, uploads, generates_roles, known: Arc::default() }
    }

    /// Registers a platform; with `credentials` (a role and its password), its databases belong to that from now on.
    pub async fn register(&self, platform: &Id, credentials: Option<(String, String)>) -> Result<(), PlatformsError> {
        if let Some((user, password)) = credentials {
            return self.register_with(platform, user, password).await;
        }
        self.unregistered(platform).await?;
        // First: where it cannot have its role, nobody is registered.
        self.run_as(platform).await?;
        let writer = self.registry.writer(platform).await?;
        let record = match self.unregistered(platform).await? {
            Some(record) => PlatformRecord { registered: true, ..record },
            None => PlatformRecord { name: platform.given().to_owned(), registered: true, credentials: None },
        };
        Ok(self.registry.write_platform(&writer, record).await?)
    }

    /// What is on record of a platform that was not registered explicitly; an error where it was.
    async fn unregistered(&self, platform: &Id) -> Result<Option<PlatformRecord>, PlatformsError> {
        let known = self.registry.platform(platform).await?;
        if known.as_ref().is_some_and(|record| record.registered) {
            return Err(PlatformsError::AlreadyRegistered { platform: platform.given().to_owned() });
        }
        Ok(known)
    }

    /// Stores a bundle under a name, once it is known to deploy; the version before stays until then.
    pub async fn store_schema(&self, platform: &Id, schema: &Id, bundle: Bundle) -> Result<Stored, PlatformsError> {
        self.known(platform).await?;
        self.check_spelling(platform, schema).await?;
        let run_as = self.run_as(platform).await?;
        let warnings = self.orchestrator.validate(platform, &run_as, &bundle).await?;
        let writer = self.registry.writer(platform).await?;
        if self.registry.platform(platform).await?.is_none() {
            // One that only v1 has met: its folder is a platform's from now on. Registering it explicitly is not too late.
            let name = platform.given().to_owned();
            let record = PlatformRecord { name, registered: false, credentials: None };
            self.registry.write_platform(&writer, record).await?;
        }
        let record = self.registry.write_schema(&writer, platform, schema, bundle).await?;
        self.orchestrator.keep_blueprint(platform, &run_as, schema, &record.checksum).await?;
        Ok(Stored { record, warnings })
    }

    /// A platform's stored schemas, by name.
    pub async fn schemas(&self, platform: &Id) -> Result<Vec<SchemaRecord>, PlatformsError> {
        self.known(platform).await?;
        Ok(self.registry.schemas(platform).await?)
    }

    /// A platform's databases, or those of one of its schemas.
    pub async fn databases(&self, platform: &Id, schema: Option<&Id>) -> Result<Vec<DatabaseInfo>, PlatformsError> {
        self.known(platform).await?;
        let of_schema = |info: &DatabaseInfo| match (&info.which, schema) {
            (_, None) => true,
            (Which::Stored { schema: of, .. }, Some(schema)) => of == schema,
            (Which::Main | Which::Tenant(_), Some(_)) => false,
        };
        Ok(self.databases.list(platform).await?.into_iter().filter(of_schema).collect())
    }

    /// Every platform that v2 accepts (see `known`), by name.
    pub async fn platforms(&self) -> Result<Vec<PlatformSummary>, PlatformsError> {
        let mut owners = self.databases.count_by_platform().await?;
        let mut platforms = BTreeMap::new();
        for record in self.registry.platforms().await? {
            let id = record.id()?;
            let schemas = self.registry.schemas(&id).await?.len();
            let databases = owners.remove(id.normal()).map_or(0, |owner| owner.databases);
            if record.registered || databases > 0 || schemas > 0 {
                platforms.insert(id.normal().to_owned(), PlatformSummary { name: record.name, schemas, databases });
            }
        }
        // v1 with PLATFORM_ROLES=off writes nothing to the disk. What is there and cannot be read is accepted by nobody.
        for (platform, Owned { given, databases }) in owners {
            let id = Id::parse("platform", &platform);
            let Ok(id) = id else { continue };
            if matches!(self.registry.platform(&id).await, Ok(None)) {
                platforms.insert(platform, PlatformSummary { name: given, schemas: 0, databases });
            }
        }
        Ok(platforms.into_values().collect())
    }

    /// Makes a database from a stored schema.
    pub async fn create_database(&self, address: Address) -> Result<Created, PlatformsError> {
        let started = Instant::now();
        let (platform, schema) = self.stored(&address).await?;
        // A database of a schema that nobody migrates under that name would be left behind by its releases.
        self.check_spelling(&platform, &schema).await?;
        let (turn, run_as) = self.turn(&platform).await?;
        let bundle = self.bundle(&platform, &schema).await?;
        let report = self.orchestrator.create(turn, address.clone(), &run_as, bundle).await?;
        let execution_time_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Created { report, database: address.name().to_string(), execution_time_ms })
    }

    /// Brings a schema's databases, or one of them, to what is stored.
    pub async fn migrate(
        &self,
        (turn, run_as): (Turn, RunAs),
        of: SchemaDatabases,
        wish: Wish,
        events: UnboundedSender<Event>,
    ) -> Result<Migrated, PlatformsError> {
        let (platform, schema) = (turn.platform(), &of.schema);
        let bundle = self.bundle(platform, schema).await?;
        if of.database.is_none() && self.databases.of_schema(platform, schema).await?.is_empty() {
            // No database yet is no error, but one under another spelling would be passed over in silence.
            self.check_spelling(platform, schema).await.map_err(PlatformsError::unknown_spelling)?;
        }
        let migrated = self.orchestrator.migrate_stored(turn, of, &run_as, bundle, wish, events);
        Ok(migrated.await?)
    }

    /// Waits for the next turn to deploy of a platform that is registered; and as whom its code runs.
    pub async fn turn(&self, platform: &Id) -> Result<(Turn, RunAs), PlatformsError> {
        self.known(platform).await?;
        // First: it may hand databases over, which takes a turn of its own.
        let run_as = self.run_as(platform).await?;
        Ok((self.orchestrator.turn(platform).await?, run_as))
    }

    /// A schema is known by its name as it was written when it was stored, where one is.
    async fn check_spelling(&self, platform: &Id, schema: &Id) -> Result<(), PlatformsError> {
        match self.registry.schema(platform, schema).await? {
            Some(stored) if stored.name != schema.given() => {
                Err(PlatformsError::OtherSpelling { given: schema.given().to_owned(), stored: stored.name })
            }
            _ => Ok(()),
        }
    }

    /// Platform and schema of an address, both known.
    async fn stored(&self, address: &Address) -> Result<(Id, Id), PlatformsError> {
        let platform = address.platform().clone();
        self.known(&platform).await?;
        match address.which() {
            Which::Stored { schema, .. } => Ok((platform, schema.clone())),
            Which::Main | Which::Tenant(_) => Err(PlatformsError::SchemaNotFound { schema: String::new() }),
        }
    }

    /// A platform was registered explicitly, or v1 made a database for it. A request that failed left it neither database
    /// nor schema, whatever else it left.
    async fn known(&self, platform: &Id) -> Result<(), PlatformsError> {
        let is_known = match self.registry.platform(platform).await {
            // A name that nobody can register is one that nobody has.
            Err(RegistryError::Reserved { .. }) => false,
            record => {
                record?.is_some_and(|record| record.registered)
                    || self.databases.has_any(platform).await?
                    || !self.registry.schemas(platform).await?.is_empty()
            }
        };
        match is_known {
            true => Ok(()),
            false => Err(PlatformsError::PlatformNotFound { platform: platform.given().to_owned() }),
        }
    }

    async fn bundle(&self, platform: &Id, schema: &Id) -> Result<Bundle, PlatformsError> {
        let missing = || PlatformsError::SchemaNotFound { schema: schema.given().to_owned() };
        let measured = self.registry.measure(platform, schema).await?.ok_or_else(missing)?;
        let memory = self.uploads.claim(platform, &measured).await?;
        let bundle = self.registry.bundle(platform, schema).await?.ok_or_else(missing)?;
        Ok(Bundle { memory: Some(memory), ..bundle })
    }
}
