//! A throwaway PostgreSQL: its own data directory, a Unix socket and no port.
//!
//! **Invariant.** It never outlives its test: dropping it stops it, also in a panic, and the kernel stops it when
//! the test's process is killed (`PR_SET_PDEATHSIG`). Only its own process is signalled.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

/// How long a server may take to start, on a machine that compiles beside it.
const START: Duration = Duration::from_secs(60);

/// A throwaway server.
#[derive(Debug)]
pub struct Postgres {
    binaries: PathBuf,
    account: Option<Account>,
    directory: TempDir,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    reader: JoinHandle<()>,
}

/// Whom the server runs as, since it refuses to run as root.
#[derive(Debug, Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

impl Postgres {
    /// Starts a server; `None` if PostgreSQL is not installed.
    ///
    /// # Panics
    ///
    /// If it is installed and does not start, or if it is missing in CI.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(binaries) = binaries() else {
            missing();
            return None;
        };
        let account = account();
        let base = base();
        let template = template(&base, &binaries, account);
        let directory = tempfile::Builder::new().prefix("pg").tempdir_in(&base).expect("a directory");
        if let Some(Account { user, group }) = account {
            chown(directory.path(), Some(user), Some(group)).expect("to give the directory away");
        }
        let mut copy = Command::new("cp");
        copy.args(["-a", "--reflink=auto"]).arg(&template).arg(directory.path().join("data"));
        run(copy);
        let mut server = Self { binaries, account, directory, running: None };
        server.restart();
        Some(server)
    }

    /// Returns the URL of its empty database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres:///postgres?host={}&user=postgres", self.directory.path().display())
    }

    /// Returns the directory of its socket, which is its host in a URL.
    #[must_use]
    pub fn host(&self) -> &Path {
        self.directory.path()
    }

    /// Runs SQL, as somebody with access to the database would.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn run(&self, sql: &str) {
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname"]).arg(self.url());
        psql.args(["--command", sql]);
        run(psql);
    }

    /// Starts the server again, with what it held.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&mut self) {
        self.stop();
        let mut command = unprivileged(self.account, &self.binaries.join("postgres"));
        command
            .arg("-D")
            .arg(self.directory.path().join("data"))
            .arg("-k")
            .arg(self.directory.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "lc_messages=C"])
            .args(["-c", "shared_buffers=16MB", "-c", "max_connections=60", "-c", "autovacuum=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let (ready, started) = mpsc::channel();
        // The kernel ties the server to the thread that started it: this one ends after the server.
        let reader = std::thread::spawn(move || {
            let mut child = command.spawn().expect("to start postgres");
            let lines = child.stderr.take().expect("its log");
            let mut child = Some(child);
            let mut log = String::new();
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                let is_ready = line.contains("database system is ready to accept connections");
                if let Some(child) = child.take_if(|_| is_ready) {
                    ready.send(Ok(child)).expect("the test waits");
                }
                log.push_str(&line);
                log.push('\n');
            }
            if child.is_some() {
                let _nobody_waits = ready.send(Err(log));
            }
        });
        let child = started.recv_timeout(START).expect("PostgreSQL starts in time");
        self.running = Some(Running { child: child.expect("PostgreSQL starts"), reader });
    }

    /// Keeps what the server holds now, as a standby that lags from now on would.
    ///
    /// # Panics
    ///
    /// If it cannot be copied, or the server does not start again.
    pub fn keep(&mut self) {
        self.replace("data", "kept");
    }

    /// Goes back to what was kept: the lagging standby is promoted.
    ///
    /// # Panics
    ///
    /// If it cannot be copied, or the server does not start again.
    pub fn go_back(&mut self) {
        self.replace("kept", "data");
    }

    fn replace(&mut self, from: &str, to: &str) {
        self.stop();
        let to = self.directory.path().join(to);
        if to.exists() {
            std::fs::remove_dir_all(&to).expect("to remove what is replaced");
        }
        let mut copy = Command::new("cp");
        copy.args(["-a", "--reflink=auto"]).arg(self.directory.path().join(from)).arg(to);
        run(copy);
        self.restart();
    }

    /// Stops the server at once, as a crash would; its data stays.
    ///
    /// # Panics
    ///
    /// If it cannot be stopped.
    pub fn stop(&mut self) {
        if let Some(Running { mut child, reader }) = self.running.take() {
            let pid = Pid::from_child(&child);
            kill_process(pid, Signal::QUIT).expect("to stop postgres");
            child.wait().expect("to wait for postgres");
            reader.join().expect("its log to end");
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<_> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|path| path.join("postgres").exists() && path.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a skipped test must be seen, in CI as a failure"
)]
fn missing() {
    assert!(std::env::var_os("CI").is_none(), "PostgreSQL is missing: apt-get install postgresql");
    eprintln!("skipped on PostgreSQL: it is not installed (apt-get install postgresql)");
}

fn account() -> Option<Account> {
    if !geteuid().is_root() {
        return None;
    }
    let accounts = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let find = |name: &str| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Account { user: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
    };
    Some(find("postgres").or_else(|| find("nobody")).expect("an account other than root"))
}

/// Short, since a Unix socket's path has at most 107 bytes; readable by the server's account.
fn base() -> PathBuf {
    let base = std::env::temp_dir().join(format!("countersign-testkit-{}", geteuid().as_raw()));
    std::fs::create_dir_all(&base).expect("a directory for databases");
    std::fs::set_permissions(&base, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    base
}

/// Makes the data directory from which all others are copied, once per machine.
fn template(base: &Path, binaries: &Path, account: Option<Account>) -> PathBuf {
    let version =
        binaries.parent().and_then(Path::file_name).expect("a version").to_string_lossy().into_owned();
    let template = base.join(format!("template-{version}"));
    let lock =
        OpenOptions::new().create(true).truncate(false).write(true).open(base.join("lock")).expect("a lock");
    let _held = locked(&lock);
    if template.exists() {
        return template;
    }
    let draft = tempfile::Builder::new().prefix("draft").tempdir_in(base).expect("a directory");
    if let Some(Account { user, group }) = account {
        chown(draft.path(), Some(user), Some(group)).expect("to give the directory away");
    }
    let mut initdb = unprivileged(account, &binaries.join("initdb"));
    initdb
        .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
        .arg(draft.path().join("data"));
    run(initdb);
    std::fs::rename(draft.path().join("data"), &template).expect("to keep the template");
    template
}

fn locked(file: &File) -> &File {
    rustix::fs::flock(file, rustix::fs::FlockOperation::LockExclusive).expect("to lock");
    file
}

/// Runs a program as the server's account; the kernel kills it when its parent dies.
fn unprivileged(account: Option<Account>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if let Some(Account { user, group }) = account {
        command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups");
    }
    command.args(["--pdeathsig", "QUIT", "--"]).arg(program).current_dir("/");
    command
}

fn run(mut command: Command) {
    let output = command.output().expect("a program to start");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
