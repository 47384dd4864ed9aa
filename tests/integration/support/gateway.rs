//! Starts the gateway that the whole run talks to, on a throw-away PostgreSQL of its own. Neither outlives the tests.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use stonescriptdb_gateway::embedded::SUPERUSER;

/// The line on the gateway's standard output that says where it listens begins so.
const LISTENING: &str = "listening on ";

/// How long the first start may take: it makes a cluster.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// A gateway that answers, and the way around it into its PostgreSQL.
pub(crate) struct TestGateway {
    /// `http://127.0.0.1:NNNN`, without a slash at the end.
    pub(crate) url: String,
    /// A superuser's connection to the server behind it, to the database `postgres`.
    pub(crate) postgres: tokio_postgres::Config,
    /// The system closes this pipe when the test process ends, however it ends; then the gateway is stopped.
    _lifeline: ChildStdin,
}

/// The gateway of this run, started by whoever asks first.
pub(crate) fn gateway() -> &'static TestGateway {
    static GATEWAY: OnceLock<Result<TestGateway, String>> = OnceLock::new();
    match GATEWAY.get_or_init(start) {
        Ok(gateway) => gateway,
        Err(reason) => panic!("the gateway did not start: {reason}"),
    }
}

/// Runs the built binary under a shell that waits for the end of the test process, stops the gateway then, and removes
/// its data.
fn start() -> Result<TestGateway, String> {
    let data_dir = make_data_dir().map_err(|error| format!("making its data folder: {error}"))?;
    let log_path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("integration-gateway.log");
    let log = File::create(&log_path).map_err(|error| format!("{}: {error}", log_path.display()))?;
    let log_of_errors = log.try_clone().map_err(|error| error.to_string())?;
    let (mut child, url) = spawn(&data_dir, log_of_errors)
        .and_then(|mut child| {
            let stdout = child.stdout.take().ok_or("no stdout")?;
            let url = wait_until_it_listens(stdout, log).ok_or("it never said where it listens")?;
            Ok((child, url))
        })
        .map_err(|reason: String| format!("{reason}; its log is {}", log_path.display()))?;
    let lifeline = child.stdin.take().ok_or("no stdin")?;
    Ok(TestGateway { url, postgres: superuser(&data_dir)?, _lifeline: lifeline })
}

fn make_data_dir() -> std::io::Result<std::path::PathBuf> {
    // Not `TempDir`: a static is never dropped. The shell removes the folder.
    let data_dir = tempfile::Builder::new().prefix("gateway-test-").tempdir()?.keep();
    // Started by root, PostgreSQL runs as another user, who must be able to pass through.
    std::fs::set_permissions(&data_dir, std::fs::Permissions::from_mode(0o755))?;
    Ok(data_dir)
}

fn spawn(data_dir: &Path, log_of_errors: File) -> Result<Child, String> {
    let script = r#""$GATEWAY" & exec >&-; cat >/dev/null; kill -TERM $!; wait $!; rm -rf "$DATA_DIR""#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(data_dir);
    for inherited in
        ["DATABASE_URL", "DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD", "LOG_DIR", "ADMIN_TOKEN"]
    {
        command.env_remove(inherited);
    }
    command
        .env("GATEWAY", env!("CARGO_BIN_EXE_stonescriptdb-gateway"))
        .env("DATA_DIR", data_dir)
        .env("GATEWAY_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", "0")
        .env("RUST_LOG", "info")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(log_of_errors))
        // A Ctrl-C at the terminal must not end the shell before it has stopped the gateway.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("sh: {error}"))
}

/// Reads the gateway's output for as long as it runs, so that a full pipe never stops it.
fn wait_until_it_listens(stdout: ChildStdout, mut log: File) -> Option<String> {
    let (found, url) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, url)) = line.split_once(LISTENING) {
                let url = url.split_whitespace().next().unwrap_or(url);
                // Nobody listens any more after the first one.
                found.send(url.trim_end_matches('/').to_owned()).ok();
            }
            writeln!(log, "{line}").ok();
        }
    });
    url.recv_timeout(START_DEADLINE).ok()
}

/// How the tests reach the embedded PostgreSQL: through its socket, as the role that the gateway is.
fn superuser(data_dir: &Path) -> Result<tokio_postgres::Config, String> {
    let file = data_dir.join(".postgres-password");
    let password = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut postgres = tokio_postgres::Config::new();
    postgres.host_path(data_dir.join("postgres")).user(SUPERUSER).password(password.trim_end()).dbname("postgres");
    Ok(postgres)
}
