//! Starts the gateway that the whole run talks to: the built binary, in front of a throw-away PostgreSQL of its own.
//! Neither outlives the tests, however they end.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use super::hostile;
use stonescriptdb_gateway::embedded::{self, EmbeddedOptions, EmbeddedPostgres};
use tokio::runtime::Runtime;
use tokio_postgres::config::Host;

/// The line on the gateway's standard output that says where it listens has these words before the address.
const LISTENING: &str = "listening on ";

/// How long the gateway may take until it listens.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// What no test run needs: its data may be lost with the machine.
const SETTINGS: &[(&str, &str)] = &[("fsync", "off"), ("full_page_writes", "off"), ("autovacuum_naptime", "1h")];

/// A gateway that answers, and the way around it into its PostgreSQL.
pub(crate) struct TestGateway {
    /// `http://127.0.0.1:NNNN`, without a slash at the end.
    pub(crate) url: String,
    /// `DATA_DIR`
    pub(crate) data_dir: PathBuf,
    /// A superuser's connection to the server behind it, to the database `postgres`.
    pub(crate) postgres: tokio_postgres::Config,
    /// The system closes this pipe when the test process ends; then the gateway is stopped.
    _lifeline: ChildStdin,
    _server: EmbeddedPostgres,
    /// The server is looked after by tasks of this one; those of the tests come and go.
    _runtime: Runtime,
}

/// The gateway of this run, started by whoever asks first.
pub(crate) fn gateway() -> &'static TestGateway {
    static GATEWAY: OnceLock<Result<TestGateway, String>> = OnceLock::new();
    // A thread of its own: whoever asks is inside a runtime, where another cannot be waited for.
    let started = GATEWAY.get_or_init(|| {
        let thread = std::thread::spawn(start);
        thread.join().unwrap_or_else(|_| Err("its thread panicked".to_owned()))
    });
    match started {
        Ok(gateway) => gateway,
        Err(reason) => panic!("the gateway did not start: {reason}"),
    }
}

fn start() -> Result<TestGateway, String> {
    let folder = make_folder().map_err(|error| format!("making its folder: {error}"))?;
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let server = runtime.block_on(embedded::start(EmbeddedOptions {
        bin_dir: std::env::var_os("PG_BIN_DIR").map(PathBuf::from),
        settings: SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        die_with_parent: true,
        ..EmbeddedOptions::new(folder.join("server"))
    }));
    let server = server.map_err(|error| error.to_string())?;
    let postgres = server.connection().clone();
    runtime.block_on(hostile::plant(&postgres)).map_err(|error| format!("planting: {error:?}"))?;
    let (url, lifeline) = start_gateway(&folder, &postgres)?;
    Ok(TestGateway {
        url,
        data_dir: folder.join("data"),
        postgres,
        _lifeline: lifeline,
        _server: server,
        _runtime: runtime,
    })
}

fn make_folder() -> std::io::Result<PathBuf> {
    // Not `TempDir`: a static is never dropped. The shell below removes the folder.
    let folder = tempfile::Builder::new().prefix("gateway-test-").tempdir()?.keep();
    // Started by root, PostgreSQL runs as another user, who must be able to pass through.
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// Runs the built binary under a shell that waits for the end of the test process, stops the gateway then, and removes
/// the folder.
fn start_gateway(folder: &Path, postgres: &tokio_postgres::Config) -> Result<(String, ChildStdin), String> {
    let log_path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("integration-gateway.log");
    let log = File::create(&log_path).map_err(|error| format!("{}: {error}", log_path.display()))?;
    let log_of_errors = log.try_clone().map_err(|error| error.to_string())?;
    let mut child = spawn(folder, postgres, log_of_errors).map_err(|error| format!("sh: {error}"))?;
    let stdout = child.stdout.take().ok_or("sh has no stdout")?;
    let lifeline = child.stdin.take().ok_or("sh has no stdin")?;
    let url = wait_until_it_listens(stdout, log);
    Ok((url.ok_or_else(|| format!("it never said where it listens; its log is {}", log_path.display()))?, lifeline))
}

fn spawn(folder: &Path, postgres: &tokio_postgres::Config, log_of_errors: File) -> std::io::Result<Child> {
    let script = r#""$GATEWAY" & exec >&-; cat >/dev/null; kill -TERM $!; wait $!; rm -rf "$FOLDER""#;
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    for inherited in ["DATABASE_URL", "LOG_DIR", "ADMIN_TOKEN", "ADMIN_SCOPE", "CONFLICT_STATUS"] {
        command.env_remove(inherited);
    }
    if let Some(Host::Unix(socket)) = postgres.get_hosts().first() {
        command.env("DB_HOST", socket);
    }
    command
        .env("DB_PORT", postgres.get_ports().first().map_or_else(|| "5432".to_owned(), u16::to_string))
        .env("DB_NAME", "postgres")
        .env("DB_USER", postgres.get_user().unwrap_or_default())
        .env("DB_PASSWORD", String::from_utf8_lossy(postgres.get_password().unwrap_or_default()).as_ref())
        .env("GATEWAY", env!("CARGO_BIN_EXE_stonescriptdb-gateway"))
        .env("FOLDER", folder)
        .env("DATA_DIR", folder.join("data"))
        .env("GATEWAY_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", "0")
        // Tests that wait for a lock in earnest wait several times as long.
        .env("LOCK_TIMEOUT_SECS", "1")
        .env("RUST_LOG", "info")
        // Not the project's folder, whose `.env` is none of the tests' business.
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(log_of_errors))
        // A Ctrl-C at the terminal must not end the shell before it has stopped the gateway.
        .process_group(0)
        .spawn()
}

/// Reads the gateway's output for as long as it runs, so that a full pipe never stops it.
fn wait_until_it_listens(stdout: ChildStdout, mut log: File) -> Option<String> {
    let (found, url) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, url)) = line.split_once(LISTENING) {
                let url = url.split_whitespace().next().unwrap_or(url);
                // Nobody waits any more after the first one.
                found.send(url.trim_end_matches('/').to_owned()).ok();
            }
            writeln!(log, "{line}").ok();
        }
    });
    url.recv_timeout(START_DEADLINE).ok()
}
