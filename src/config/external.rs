//! `DB_*` or `DATABASE_URL` → which PostgreSQL. Opens no connection: a server that is away at the start may come later.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::config::{ChannelBinding, Host, SslNegotiation, TargetSessionAttrs};

use super::encryption::{self, Given};
use super::read::{Reader, invalid, not_shown, parse_host};
use super::{ConfigError, Destination, PostgresSource};
use crate::tls::{Tls, TlsMode};

/// With several hosts a dead one must not hold up the search for the living.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that vanished without closing its connections is noticed after this.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Idle connections are probed after this, so that a firewall neither forgets them nor hides a dead server.
const KEEPALIVES_IDLE: Duration = Duration::from_secs(60);
/// What tokio-postgres takes when nobody says anything.
const KEEPALIVES_IDLE_UNSET: Duration = Duration::from_secs(2 * 60 * 60);

/// `DB_HOST` is preferred to `DATABASE_URL`; neither: embedded. Whatever is set is checked, used or not.
pub(super) fn read_source<F: Fn(&str) -> Option<String>>(env: &Reader<F>) -> Result<PostgresSource, ConfigError> {
    let from_url = env.text("DATABASE_URL").map(|url| parse_url(&url)).transpose()?;
    let ports = read_ports(env)?;
    let from_host = match env.text("DB_HOST") {
        Some(hosts) => Some(read_variables(env, &hosts, &ports)?),
        None => None,
    };
    // What a URL says of TLS is for the server that it names.
    let (config, tls) = match (from_host, from_url) {
        (Some(config), _) => (Some(config), Given::default()),
        (None, Some((config, tls))) => (Some(config), tls),
        (None, None) => (None, Given::default()),
    };
    let tls = tls.with_variables(env)?.load()?;
    Ok(match config {
        Some(config) => {
            check_tls(&config, &tls)?;
            PostgresSource::External(Box::new(Destination { connection: with_defaults(config), tls: Arc::new(tls) }))
        }
        None => PostgresSource::Embedded,
    })
}

fn read_ports<F: Fn(&str) -> Option<String>>(env: &Reader<F>) -> Result<Vec<u16>, ConfigError> {
    let Some(value) = env.text("DB_PORT") else { return Ok(vec![5432]) };
    let ports = value.split(',').map(|port| port.trim().parse().ok().filter(|port| *port != 0));
    ports
        .collect::<Option<_>>()
        .ok_or_else(|| invalid("DB_PORT", &value, "a port from 1 to 65535, or one for each host, separated by commas"))
}

fn read_variables<F: Fn(&str) -> Option<String>>(
    env: &Reader<F>,
    hosts: &str,
    ports: &[u16],
) -> Result<tokio_postgres::Config, ConfigError> {
    let mut config = tokio_postgres::Config::new();
    for host in hosts.split(',') {
        config.host(parse_server(host.trim()).ok_or_else(|| {
            let allowed = "a host name, an IP address or a socket folder (/…), or several separated by commas; \
                           the port goes to DB_PORT, a URL to DATABASE_URL";
            invalid("DB_HOST", hosts, allowed)
        })?);
    }
    let host_count = config.get_hosts().len();
    if ports.len() != 1 && ports.len() != host_count {
        let given: Vec<String> = ports.iter().map(u16::to_string).collect();
        let allowed = format!("one port, or one for each of the {host_count} in DB_HOST");
        return Err(invalid("DB_PORT", &given.join(","), allowed));
    }
    for port in ports {
        config.port(*port);
    }
    if let Some(name) = env.text("DB_NAME") {
        config.dbname(name);
    }
    if let Some(user) = env.text("DB_USER") {
        config.user(user);
    }
    if let Some(password) = env.verbatim("DB_PASSWORD") {
        config.password(password);
    }
    Ok(config)
}

/// A socket folder as it is, anything else as a host.
fn parse_server(text: &str) -> Option<String> {
    if text.starts_with('/') { Some(text.to_owned()) } else { parse_host(text) }
}

/// The value is never shown: in a malformed URL nobody knows which part is the password.
fn parse_url(url: &str) -> Result<(tokio_postgres::Config, Given), ConfigError> {
    let (url, mut tls) = encryption::take_out(url);
    let config: tokio_postgres::Config =
        url.parse().map_err(|error: tokio_postgres::Error| not_shown("DATABASE_URL", explain(&error)))?;
    tls.direct = config.get_ssl_negotiation() == SslNegotiation::Direct;
    let refusal = if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        Some("a host, as in postgresql://user:password@host:5432/database")
    } else if !counts_agree(&config) {
        Some("as many ports and hostaddrs as hosts")
    } else {
        None
    };
    match refusal {
        Some(allowed) => Err(not_shown("DATABASE_URL", allowed)),
        None => Ok((config, tls)),
    }
}

/// What a login is to be bound to has to be there.
fn check_tls(config: &tokio_postgres::Config, tls: &Tls) -> Result<(), ConfigError> {
    let is_bound = config.get_channel_binding() == ChannelBinding::Require;
    match is_bound && tls.settings().mode == TlsMode::Disable {
        true => Err(not_shown("DATABASE_URL", "channel_binding=require only with TLS, and sslmode is disable")),
        false => Ok(()),
    }
}

/// What tokio-postgres would only say when it connects.
fn counts_agree(config: &tokio_postgres::Config) -> bool {
    let hosts = config.get_hosts().iter().filter(|host| **host != Host::Tcp(String::new())).count();
    let servers = config.get_hosts().len().max(config.get_hostaddrs().len());
    let ports = config.get_ports().len();
    let addresses = config.get_hostaddrs().len();
    hosts == config.get_hosts().len()
        && (addresses == 0 || hosts == 0 || addresses == hosts)
        && (ports <= 1 || ports == servers)
}

/// The parser's own words only where they name an option of the format: elsewhere they repeat parts of the value.
fn explain(error: &tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let url = "a URL such as postgresql://user:password@host:5432/database (special characters in the password \
               percent-encoded)";
    match cause.strip_prefix("invalid value for option ") {
        Some(option) => format!("{url}, with a valid {option}"),
        None => format!("{url}, without options that only libpq knows"),
    }
}

/// What neither way of asking has said.
fn with_defaults(mut config: tokio_postgres::Config) -> tokio_postgres::Config {
    if config.get_user().is_none() {
        config.user("postgres");
    }
    if config.get_dbname().is_none() {
        config.dbname("postgres");
    }
    if config.get_application_name().is_none() {
        config.application_name("stonescriptdb-gateway");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
    }
    if config.get_keepalives_idle() == KEEPALIVES_IDLE_UNSET {
        config.keepalives_idle(KEEPALIVES_IDLE);
    }
    // Among several servers only the primary can be deployed to; after a failover that is another one.
    if config.get_hosts().len().max(config.get_hostaddrs().len()) > 1 {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    config
}
