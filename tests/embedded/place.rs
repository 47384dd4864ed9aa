//! A folder for one test with a gateway in it, run by root or by an ordinary user. Whatever the test does, and also when
//! it fails, its processes are ended and its folder is removed.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use tempfile::TempDir;

/// Everything that takes longer has gone wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Who runs the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    /// `nobody` where root runs the tests, else the one who does.
    OrdinaryUser,
}

impl Who {
    /// Those that can be tried: an ordinary user cannot become root.
    pub(crate) fn possible() -> &'static [Self] {
        if geteuid().is_root() { &[Self::Root, Self::OrdinaryUser] } else { &[Self::OrdinaryUser] }
    }

    fn account(self) -> Option<(u32, u32)> {
        let nobody = || {
            let user = User::from_name("nobody").unwrap().expect("every system has the user nobody");
            (user.uid.as_raw(), user.gid.as_raw())
        };
        (self == Self::OrdinaryUser && geteuid().is_root()).then(nobody)
    }
}

/// Waits until `condition` gives something.
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begin.elapsed() < DEADLINE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The words of a running process; `None` once it has ended.
pub(crate) fn command_line(pid: i32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
    (!text.is_empty()).then_some(text)
}

pub(crate) fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap_or_else(|error| panic!("{signal} to {pid}: {error}"));
}

/// The folder and all that runs in it.
pub(crate) struct Place {
    folder: TempDir,
    who: Who,
    program: PathBuf,
}

impl Place {
    pub(crate) fn new(who: Who) -> Self {
        // In a folder that every user may enter: PostgreSQL runs as another one than the tests.
        let folder = tempfile::Builder::new().prefix("ssdb-embedded-").tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let mut program = PathBuf::from(env!("CARGO_BIN_EXE_stonescriptdb-gateway"));
        if let Some((uid, gid)) = who.account() {
            // The build's folder may be closed to others.
            let copy = folder.path().join("gateway");
            fs::copy(&program, &copy).unwrap();
            program = copy;
            chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        Self { folder, who, program }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) fn cluster(&self) -> PathBuf {
        self.data_dir().join("postgres")
    }

    /// The program, in this folder, with nothing in its environment but what the test wants.
    pub(crate) fn command(&self, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(self.path()).env_clear().env("DATA_DIR", self.data_dir()).env("GATEWAY_PORT", "0");
        for name in ["PATH", "LD_LIBRARY_PATH", "PG_BIN_DIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some((uid, gid)) = self.who.account() {
            command.uid(uid).gid(gid);
        }
        // As in a terminal: Ctrl-C goes to a whole process group.
        command.process_group(0);
        command
    }

    pub(crate) fn start(&self, variables: &[(&str, &str)]) -> Gateway {
        let mut gateway = self.spawn(variables);
        gateway.wait_until_listening();
        gateway
    }

    pub(crate) fn spawn(&self, variables: &[(&str, &str)]) -> Gateway {
        self.spawn_with(&[], variables)
    }

    pub(crate) fn spawn_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Gateway {
        Gateway::new(spawned(self.command(variables).args(arguments)))
    }

    /// Runs the program to its end; gives its exit code and what it has written to stdout and stderr.
    pub(crate) fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let mut gateway = Gateway::new(spawned(self.command(variables).args(arguments)));
        let status = gateway.wait_until_ended();
        let (stdout, stderr) = gateway.take_output();
        (status.code(), stdout, stderr)
    }

    /// Asserts that the program ends with `code` and tells why in one line on stderr; gives the line.
    pub(crate) fn refusal(&self, code: i32, variables: &[(&str, &str)]) -> String {
        let (status, stdout, stderr) = self.run(&[], variables);
        assert_eq!(status, Some(code), "{stdout}{stderr}");
        let line = stderr.strip_suffix('\n').unwrap_or_else(|| panic!("no whole line: {stderr:?}"));
        assert!(!line.contains('\n'), "more than one line: {stderr}");
        line.strip_prefix("stonescriptdb-gateway: ").unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    /// The postmaster of this place, if it runs.
    pub(crate) fn postmaster(&self) -> Option<i32> {
        let text = fs::read_to_string(self.cluster().join("postmaster.pid")).ok()?;
        let pid = text.lines().next()?.parse().ok()?;
        let cluster = self.cluster().canonicalize().ok()?;
        command_line(pid)?.contains(cluster.to_str()?).then_some(pid)
    }

    /// Makes a folder, and those above it that are missing, as the one who runs the gateway.
    pub(crate) fn make_folders(&self, path: &Path) {
        let mut command = Command::new("mkdir");
        command.arg("-p").arg(path);
        if let Some((uid, gid)) = self.who.account() {
            command.uid(uid).gid(gid);
        }
        assert!(command.status().unwrap().success(), "mkdir {}", path.display());
    }

    /// Asserts that no process of this place's PostgreSQL is left.
    pub(crate) fn assert_no_postgres(&self) {
        let socket = self.cluster().join(".s.PGSQL.5432");
        assert_eq!(self.postmaster(), None);
        assert!(!self.cluster().join("postmaster.pid").exists(), "postmaster.pid is left");
        assert!(!socket.exists(), "the socket is left");
    }

    /// A connection to this place's PostgreSQL as its superuser.
    pub(crate) async fn connect(&self) -> tokio_postgres::Client {
        self.connect_to("postgres").await
    }

    /// The same, to another database.
    pub(crate) async fn connect_to(&self, database: &str) -> tokio_postgres::Client {
        let (client, connection) = self.superuser().dbname(database).connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// How the superuser of this place's PostgreSQL connects.
    pub(crate) fn superuser(&self) -> tokio_postgres::Config {
        let password = fs::read_to_string(self.data_dir().join(".postgres-password")).unwrap();
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.cluster()).user("stonescriptdb").password(password);
        config
    }

    /// The owner of the cluster's files.
    pub(crate) fn cluster_uid(&self) -> u32 {
        fs::metadata(self.cluster()).unwrap().uid()
    }

    /// The account that PostgreSQL is to run as here.
    pub(crate) fn postgres_uid(&self) -> u32 {
        match (self.who, self.who.account()) {
            (Who::Root, _) => User::from_name("postgres").unwrap().expect("installed with PostgreSQL").uid.as_raw(),
            (Who::OrdinaryUser, Some((uid, _))) => uid,
            (Who::OrdinaryUser, None) => geteuid().as_raw(),
        }
    }

    /// A process that has nothing to do with PostgreSQL but runs as the same user: what a stale pid may lead to.
    pub(crate) fn unrelated_process(&self) -> Unrelated {
        let mut command = Command::new("sleep");
        command.arg("600").stdin(Stdio::null()).stdout(Stdio::null());
        if geteuid().is_root() {
            command.uid(self.postgres_uid());
        }
        Unrelated(command.spawn().unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A gateway dropped by a failed test is dead by now; its server may be in the middle of its start.
        let begin = Instant::now();
        while let Some(pid) = self.postmaster() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGQUIT);
            if begin.elapsed() > Duration::from_secs(10) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Ended on drop.
pub(crate) struct Unrelated(Child);

impl Unrelated {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn lives(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Unrelated {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The running program; killed on drop.
pub(crate) struct Gateway {
    child: Child,
    lines: Receiver<String>,
    stdout: String,
    stderr: Option<thread::JoinHandle<String>>,
    address: Option<SocketAddr>,
}

impl Gateway {
    fn new(mut child: Child) -> Self {
        let (sender, lines) = channel();
        let stdout = child.stdout.take().unwrap();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Self { child, lines, stdout: String::new(), stderr: Some(stderr), address: None }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("it listens")
    }

    pub(crate) fn wait_until_listening(&mut self) {
        let line = self.wait_for_line("listening on http://");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split([' ', '"']).next());
        self.address = Some(address.unwrap().parse().unwrap());
    }

    pub(crate) fn wait_for_line(&mut self, wanted: &str) -> String {
        let begin = Instant::now();
        loop {
            match self.lines.recv_timeout(DEADLINE.saturating_sub(begin.elapsed())) {
                Ok(line) => {
                    self.stdout.push_str(&line);
                    self.stdout.push('\n');
                    if line.contains(wanted) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no line with {wanted:?}: {}", self.stdout),
                Err(RecvTimeoutError::Disconnected) => {
                    let (stdout, stderr) = self.take_output();
                    panic!("ended without a line with {wanted:?}: {stdout}{stderr}");
                }
            }
        }
    }

    /// Opens a connection and sends `text`.
    pub(crate) fn send_bytes(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    /// The status of `GET /health`.
    /// On a machine with much else to do, the first connection may take longer than `/health` waits for it.
    pub(crate) fn wait_until_healthy(&self) {
        wait_for("/health to answer 200", || (self.health() == 200).then_some(()));
    }

    pub(crate) fn health(&self) -> u16 {
        let mut stream = self.send_bytes("GET /health HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
    }

    /// As `kill -9`: nothing of it gets to clean up.
    pub(crate) fn kill_hard(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn wait_until_ended(&mut self) -> ExitStatus {
        wait_for("the gateway to end", || self.child.try_wait().unwrap())
    }

    /// Sends a signal and asserts that the gateway then ends in good order; gives all that it has written.
    pub(crate) fn stop(mut self, signal: Signal) -> String {
        send(self.pid(), signal);
        let begin = Instant::now();
        let status = self.wait_until_ended();
        let (stdout, stderr) = self.take_output();
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""), "{stdout}");
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?} {stdout}", begin.elapsed());
        stdout
    }

    /// What it has written; it must have ended.
    pub(crate) fn take_output(&mut self) -> (String, String) {
        for line in self.lines.iter() {
            self.stdout.push_str(&line);
            self.stdout.push('\n');
        }
        let stderr = self.stderr.take().map(|thread| thread.join().unwrap()).unwrap_or_default();
        (self.stdout.clone(), stderr)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program that was copied here. While another test forks, its child holds the copy open for a moment, and the
/// system refuses to run a file that is open for writing.
fn spawned(command: &mut Command) -> std::process::Child {
    wait_for("the program's file to be closed", || match command.spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => None,
        result => Some(result.unwrap()),
    })
}
