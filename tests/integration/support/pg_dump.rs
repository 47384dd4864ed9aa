//! `pg_dump --schema-only`, where a pg_dump of the server's version is at hand (some distributions of PostgreSQL have
//! none; the catalog in words serves there alone).

use std::path::PathBuf;
use std::process::{Command, Stdio};

use tokio::sync::OnceCell;
use tokio_postgres::config::Host;

use super::{Sql, gateway};

/// The schema of a database, or `None` where no fitting pg_dump is.
pub(crate) async fn pg_dump(database: &str) -> Option<String> {
    static PROGRAM: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let program = PROGRAM.get_or_init(find).await.as_ref()?;
    let server = &gateway().postgres;
    let mut dump = Command::new(program);
    dump.args(["--schema-only", "--dbname", database]);
    match server.get_hosts().first() {
        Some(Host::Unix(folder)) => dump.arg("--host").arg(folder),
        Some(Host::Tcp(name)) => dump.arg("--host").arg(name),
        None => panic!("the test server has no address"),
    };
    if let Some(port) = server.get_ports().first() {
        dump.arg("--port").arg(port.to_string());
    }
    if let Some(user) = server.get_user() {
        dump.arg("--username").arg(user);
    }
    if let Some(password) = server.get_password() {
        dump.env("PGPASSWORD", String::from_utf8_lossy(password).into_owned());
    }
    let output = dump.stdin(Stdio::null()).output().expect("pg_dump runs");
    assert!(output.status.success(), "pg_dump {database}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("pg_dump writes UTF-8");
    // Newer ones guard the dump with a random word that differs from run to run.
    let guard = |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
    Some(text.lines().filter(guard).collect::<Vec<_>>().join("\n"))
}

/// The first pg_dump whose major version is the server's.
async fn find() -> Option<PathBuf> {
    let major = Sql::major_version().await;
    let beside_the_server = std::env::var_os("PG_BIN_DIR").map(|folder| PathBuf::from(folder).join("pg_dump"));
    let of_debian = PathBuf::from(format!("/usr/lib/postgresql/{major}/bin/pg_dump"));
    let candidates = beside_the_server.into_iter().chain([of_debian, PathBuf::from("pg_dump")]);
    candidates.into_iter().find(|program| {
        let version = Command::new(program).arg("--version").output();
        version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&format!(" {major}.")))
    })
}
