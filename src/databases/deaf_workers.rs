//! Workers of autovacuum that had the gateway's own PostgreSQL start again, because they did not end otherwise
//! ([`super::terminator`]): they call functions of a platform's, in indexes and statistics of expressions and in types of its
//! tables, and would come again as long as there is such a table. So these get none before their platform deploys again, and
//! its role is kept out meanwhile as for any other backend of its that does not end.
//!
//! A platform's role owns its databases, and what one table does each of them may do: all of the role's tables are seen to, in
//! all of its databases, and its blueprints go. What a later deployment declares holds again: it takes such settings back.

use std::time::Duration;

use tokio::time::Instant;

use super::Databases;
use super::error::DatabaseError;
use super::name::DatabaseName;
use super::quote::quote_ident;

/// How often it is looked whether there was one.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often it is tried again: PostgreSQL starts, or starts once more for the next such table.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_secs(1);

/// What locks the table, another worker say, is not waited for longer than this.
const PATIENCE: &str = "SET lock_timeout = '2s'";

/// What is run in a database, a statement a row: for every table but those of extensions that a superuser has installed: its owner may make any table a member of an extension of his own.
/// A low age for freezing has autovacuum come whatever is set besides. First what it would run even then: to freeze a table, it
/// summarizes what a BRIN index over it lacks.
const STATEMENTS: &str = "
    SELECT DISTINCT pg_catalog.format('DROP INDEX %I.%I', n.nspname, whole.relname)
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
    JOIN pg_catalog.pg_am AS a ON a.oid OPERATOR(pg_catalog.=) c.relam
    -- That of a partition goes with the whole.
    JOIN pg_catalog.pg_class AS whole
         ON whole.oid OPERATOR(pg_catalog.=) COALESCE(pg_catalog.pg_partition_root(c.oid)::pg_catalog.oid, c.oid)
    JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) whole.relnamespace
    WHERE a.amname OPERATOR(pg_catalog.=) 'brin' AND c.relkind::pg_catalog.text OPERATOR(pg_catalog.=) 'i'
      AND c.relpersistence::pg_catalog.text OPERATOR(pg_catalog.<>) 't'
      AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
    UNION ALL
    SELECT pg_catalog.format('ALTER %s %I.%I RESET (autovacuum_freeze_max_age, autovacuum_multixact_freeze_max_age), '
                             'SET (autovacuum_enabled = off)',
                             CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END, n.nspname, c.relname)
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE c.relkind::pg_catalog.text OPERATOR(pg_catalog.=) ANY ('{r,m}'::pg_catalog.text[])
      AND c.relpersistence::pg_catalog.text OPERATOR(pg_catalog.<>) 't' AND c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS e WHERE e.objid OPERATOR(pg_catalog.=) c.oid
                          AND e.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
                          AND e.deptype::pg_catalog.text OPERATOR(pg_catalog.=) 'e'
                          AND e.refobjid OPERATOR(pg_catalog.=) ANY (ARRAY(
                              SELECT x.oid FROM pg_catalog.pg_extension AS x
                              JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) x.extowner WHERE r.rolsuper)))
      AND NOT COALESCE(c.reloptions OPERATOR(pg_catalog.@>) '{autovacuum_enabled=off}'::pg_catalog.text[]
                       AND NOT EXISTS (SELECT FROM pg_catalog.unnest(c.reloptions) AS o (option)
                                       WHERE pg_catalog.strpos(o.option, 'freeze_max_age') OPERATOR(pg_catalog.>) 0), false)";

/// After which time of all workers it is asked whether they look up, and how often from then on.
const ALL_BUSY: Duration = Duration::from_secs(600);

/// How many workers have been there for so long, how many there may be, and where they are.
const BUSY: &str = "
    SELECT pg_catalog.count(*), pg_catalog.current_setting('autovacuum_max_workers')::pg_catalog.int8,
           pg_catalog.string_agg(DISTINCT pg_catalog.format('%s (%s)', d.datname, pg_catalog.pg_get_userbyid(d.datdba)), ', ')
    FROM pg_catalog.pg_stat_activity AS a JOIN pg_catalog.pg_database AS d ON d.oid = a.datid
    WHERE a.backend_type = 'autovacuum worker'
      AND a.backend_start < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1)";

/// Until the gateway stops.
pub(super) async fn watch(databases: Databases) {
    let mut asked = Instant::now();
    while !databases.pools.is_closed() {
        tokio::time::sleep(LOOK_EVERY).await;
        if asked.elapsed() >= ALL_BUSY {
            asked = Instant::now();
            if let Err(error) = databases.ask_busy_workers(ALL_BUSY).await {
                tracing::debug!(%error, "whether workers of autovacuum look up could not be asked");
            }
        }
        for database in databases.pools.server.terminator.take_deaf() {
            databases.keep_workers_from(&DatabaseName::recorded(database)).await;
        }
    }
}

impl Databases {
    /// Where all workers of autovacuum have been busy for so long, nothing else of the server is vacuumed or analyzed. That may be honest
    /// work on large tables, which nobody should end; so a database is made and dropped, which waits for whoever does not look up, and
    /// for nobody else ([`super::dropping`]): a worker that is named then goes. Whether they were all busy.
    pub(super) async fn ask_busy_workers(&self, busy_for: Duration) -> Result<bool, DatabaseError> {
        let row = self.control().await?.query_one(BUSY, &[&busy_for.as_secs_f64()]).await;
        let row = row.map_err(DatabaseError::step("asking for workers of autovacuum"))?;
        let (busy, most, databases): (i64, i64, Option<String>) = (row.get(0), row.get(1), row.get(2));
        if busy < most.max(1) {
            return Ok(false);
        }
        tracing::warn!(
            workers = busy,
            databases,
            "all workers of autovacuum have been busy for minutes: nothing else is vacuumed or analyzed meanwhile; it is asked whether \
             they look up, and if they do, look at these databases' tables"
        );
        self.drop_one_for_asking().await?;
        Ok(true)
    }

    /// Tried again while PostgreSQL starts.
    async fn keep_workers_from(&self, name: &DatabaseName) {
        let (mut told, mut last) = (false, None);
        for _ in 0..ATTEMPTS {
            match self.keep_workers_from_at_once(name, &mut told).await {
                Ok(()) => return,
                Err(error) => last = Some(error.to_string()),
            }
            tokio::time::sleep(PAUSE).await;
        }
        tracing::error!(
            database = %name,
            error = last,
            "a worker of autovacuum did not end there, and it may not be kept from coming again: have an operator look at it"
        );
    }

    /// `told`: whether the log has it already.
    async fn keep_workers_from_at_once(&self, name: &DatabaseName, told: &mut bool) -> Result<(), DatabaseError> {
        let role = self.role_of(name).await?;
        if !std::mem::replace(told, true) {
            let paused_secs = match &role {
                Some(role) => Some(self.pools.server.terminator.keep_out(role).await.as_secs()),
                None => None,
            };
            tracing::error!(
                database = %name,
                role,
                paused_secs,
                "a worker of autovacuum did not end in a database of this role's, so PostgreSQL was made to start again: the role is \
                 kept out for a while, and autovacuum leaves its tables alone until its platform deploys again"
            );
        }
        match role {
            Some(role) => self.turn_off(name, &role).await,
            // Without roles: it is the gateway's, as are all others.
            None => self.turn_off_in(name).await,
        }
    }

    /// The role whose code runs there, if it is a platform's.
    async fn role_of(&self, name: &DatabaseName) -> Result<Option<String>, DatabaseError> {
        const ROLE: &str = "
            SELECT COALESCE(b.owner_role, o.rolname::pg_catalog.text)
            FROM pg_catalog.pg_database AS d
            JOIN pg_catalog.pg_roles AS o ON o.oid = d.datdba
            LEFT JOIN public.blueprints AS b ON b.name = d.datname
            WHERE d.datname = $1 AND (b.owner_role IS NOT NULL OR o.rolname <> current_user AND NOT o.rolsuper)";
        let row = self.control().await?.query_opt(ROLE, &[&name.as_str()]).await;
        Ok(row.map_err(DatabaseError::step("asking whose code autovacuum calls"))?.map(|row| row.get(0)))
    }

    /// In all databases of the role's, this one first; its blueprints afterwards.
    async fn turn_off(&self, first: &DatabaseName, role: &str) -> Result<(), DatabaseError> {
        const OWNED: &str = "
            SELECT d.datname, d.datallowconn, d.datconnlimit FROM pg_catalog.pg_database AS d
            WHERE pg_catalog.pg_get_userbyid(d.datdba) = $2 AND (d.datallowconn OR d.datname NOT LIKE 'stonescriptdb-%')
            ORDER BY d.datname <> $1, d.datname";
        const BLUEPRINTS: &str = "SELECT name FROM public.blueprints WHERE owner_role = $2 ORDER BY name <> $1, name";
        let step = DatabaseError::step("listing what the role owns");
        let owned = self.control().await?.query(OWNED, &[&first.as_str(), &role]).await.map_err(&step)?;
        let mut failed = Ok(());
        for row in owned {
            let name = DatabaseName::recorded(row.get(0));
            let done = match row.get(1) {
                true => self.turn_off_in(&name).await,
                false => self.turn_off_in_closed(&name, row.get(2)).await,
            };
            failed = failed.and(done);
        }
        let blueprints = self.control().await?.query(BLUEPRINTS, &[&first.as_str(), &role]).await.map_err(&step)?;
        for row in blueprints {
            let name = DatabaseName::recorded(row.get(0));
            // Who works with it makes another one next time; the sweep forgets its record.
            if let Some(_lock) = self.try_lock(&name).await? {
                failed = failed.and(self.drop_database(&name).await.map(drop));
            }
        }
        failed
    }

    /// Its owner has closed it, and autovacuum goes there all the same: it is open to superusers alone meanwhile.
    async fn turn_off_in_closed(&self, name: &DatabaseName, limit: i32) -> Result<(), DatabaseError> {
        let alter = async |state: &str| {
            let sql = format!("ALTER DATABASE {} WITH {state}", quote_ident(name.as_str()));
            self.control()
                .await?
                .batch_execute(&sql)
                .await
                .map_err(DatabaseError::step("opening a database that is closed"))
        };
        alter("ALLOW_CONNECTIONS true CONNECTION LIMIT 0").await?;
        let turned_off = self.turn_off_in(name).await;
        alter(&format!("ALLOW_CONNECTIONS false CONNECTION LIMIT {limit}")).await?;
        turned_off
    }

    async fn turn_off_in(&self, name: &DatabaseName) -> Result<(), DatabaseError> {
        let step = DatabaseError::step("turning autovacuum off for a table");
        let session = match self.session_inside(name).await {
            // Dropped meanwhile.
            Err(DatabaseError::Gone { .. } | DatabaseError::NotFound { .. }) => return Ok(()),
            session => session?,
        };
        let turned_off = async {
            session.batch_execute(PATIENCE).await?;
            let mut failed = Ok(());
            for row in session.query_typed(STATEMENTS, &[]).await? {
                let statement: &str = row.get(0);
                let done = session.batch_execute(statement).await;
                if done.is_ok() && statement.starts_with("DROP") {
                    tracing::warn!(database = %name, statement, "an index is dropped, whose expressions freezing a table would run");
                }
                failed = failed.and(done);
            }
            failed
        };
        let turned_off = turned_off.await;
        session.close().await;
        turned_off.map_err(step)
    }
}
