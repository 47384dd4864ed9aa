//! What `check-config` prints: the settings as they will be used, without a secret.

use std::fmt;

use tokio_postgres::config::Host;

use super::{AdminScope, Config, LogFormat, PlatformRoles, PostgresSource};

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: &dyn fmt::Display| writeln!(f, "  {name:<21}{value}");
        let (server, pool, limits) = (&self.server, &self.pool, &self.limits);
        line("listen", &format_args!("{} port {}", server.host, server.port))?;
        line("client connections", &server.max_client_connections)?;
        line("postgresql", &PostgresLine(self))?;
        let total = pool.max_total_connections;
        line("connections", &format_args!("{} to one database, {total} in all", pool.max_connections_per_pool))?;
        line(
            "idle, lifetime, wait",
            &format_args!(
                "{} s, {} s, {} s",
                pool.idle_timeout.as_secs(),
                pool.max_lifetime.as_secs(),
                pool.wait_timeout.as_secs()
            ),
        )?;
        line("allowed networks", &list(&self.access.allowed_networks))?;
        line("trusted proxies", &list(&self.access.trusted_proxies))?;
        let guarded = match (&self.access.admin_token, self.access.admin_scope) {
            (None, _) => "not set",
            (Some(_), AdminScope::Admin) => "set, guards /admin/*",
            (Some(_), AdminScope::Deploy) => "set, guards everything but /call, /health, /ready, /live",
        };
        line("admin token", &guarded)?;
        line("data", &self.data_dir.display())?;
        let format = if self.log.format == LogFormat::Json { " as JSON" } else { "" };
        match &self.log.dir {
            Some(dir) => line("log", &format_args!("{}{format} to stdout and {}", self.log.filter, dir.display()))?,
            None => line("log", &format_args!("{}{format} to stdout", self.log.filter))?,
        }
        let functions = self.metrics.most_functions;
        match self.metrics.address {
            Some(address) => line("metrics", &format_args!("on {address}, {functions} functions"))?,
            None => line("metrics", &format_args!("beside the other paths, {functions} functions"))?,
        }
        let roles = match self.platform_roles {
            PlatformRoles::Auto => "auto",
            PlatformRoles::Off => "off",
        };
        line("platform roles", &roles)?;
        line("allowed extensions", &self.allowed_extensions)?;
        let (call, lock) = (limits.call_timeout.as_secs(), limits.lock_timeout.as_secs());
        line("time limits", &format_args!("{call} s for a call, {lock} s for a lock"))?;
        let (at_once, each) = (limits.max_deployments_per_platform, limits.deployment_timeout.as_secs());
        line("deployments", &format_args!("{at_once} of a platform at once, {each} s for a database"))?;
        line("stop", &format_args!("deployments have {} s to end", limits.shutdown_timeout.as_secs()))?;
        let (upload, unpacked) = (limits.max_upload_bytes, limits.max_unpacked_bytes);
        line("archives", &format_args!("{upload} bytes, {unpacked} bytes unpacked"))?;
        let (sql, statements) = (limits.max_sql_bytes, limits.max_statements);
        line("SQL of an archive", &format_args!("{sql} bytes, {statements} statements"))?;
        line("memory for uploads", &format_args!("{} bytes", limits.upload_memory_bytes))?;
        line("conflict status", &self.conflict_status)
    }
}

fn list(networks: &[ipnetwork::IpNetwork]) -> String {
    match networks {
        [] => "none".to_owned(),
        networks => networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// Where PostgreSQL is.
struct PostgresLine<'a>(&'a Config);

impl fmt::Display for PostgresLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let external = match &self.0.postgres {
            PostgresSource::Embedded => {
                return write!(f, "embedded, in {}", self.0.data_dir.join("postgres").display());
            }
            PostgresSource::External(external) => external,
        };
        let (external, tls) = (&external.connection, external.tls.settings().mode);
        let hosts: Vec<String> = external.get_hosts().iter().map(host_text).collect();
        let addresses: Vec<String> = external.get_hostaddrs().iter().map(ToString::to_string).collect();
        let ports: Vec<String> = external.get_ports().iter().map(u16::to_string).collect();
        let servers = if hosts.is_empty() { addresses } else { hosts };
        let (user, database) = (external.get_user().unwrap_or_default(), external.get_dbname().unwrap_or_default());
        let password = if external.get_password().is_some() { "with a password" } else { "without a password" };
        let port = if ports.is_empty() { "5432".to_owned() } else { ports.join(",") };
        write!(f, "{} port {port}, database {database}, as {user} {password}", servers.join(","))?;
        match external.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)))
            && external.get_hostaddrs().is_empty()
        {
            true => Ok(()),
            false => write!(f, ", TLS: {tls}"),
        }
    }
}

fn host_text(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(folder) => folder.display().to_string(),
    }
}
