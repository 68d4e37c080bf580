//! Runs the real binary and speaks raw HTTP to it. Ports are free ones; every process is stopped by its own id.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use countersign_testkit::Postgres;
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The binary under test.
pub(crate) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_countersign")
}

/// A place for data directories and files, removed at the end, with the store that the run is about.
pub(crate) struct Ground {
    directory: TempDir,
    postgres: Option<Postgres>,
}

impl Ground {
    /// Makes a place with the store of this run: SQLite, or PostgreSQL with `TEST_STORE=postgres`.
    pub(crate) fn new() -> Self {
        let postgres = std::env::var("TEST_STORE").is_ok_and(|store| store == "postgres");
        let postgres = postgres.then(|| Postgres::start().expect("PostgreSQL is what this run is about"));
        Self { postgres, ..Self::on_sqlite() }
    }

    /// Makes a place with SQLite, for what is about its file or about data directories of their own.
    pub(crate) fn on_sqlite() -> Self {
        Self { directory: TempDir::new().unwrap(), postgres: None }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs a command of the binary in this place, with nothing of the caller's environment that matters to it.
    pub(crate) fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        self.command(arguments, environment).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a command that reads `input`.
    pub(crate) fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Output {
        let mut command = self.command(arguments, environment);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        // A command that refuses before it reads may have closed it.
        let _closed = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
        self.command_through(&[], arguments, environment)
    }

    fn command_through(&self, program: &[&str], arguments: &[&str], environment: &[(&str, &str)]) -> Command {
        let line: Vec<_> = program.iter().copied().chain([binary()]).collect();
        let mut command = Command::new(line[0]);
        command.current_dir(self.directory.path()).args(&line[1..]).args(arguments);
        for name in ["COUNTERSIGN_KEY", "COUNTERSIGN_ADMIN", "COUNTERSIGN_DATA", "COUNTERSIGN_CONFIG"] {
            command.env_remove(name);
        }
        if let Some(postgres) = &self.postgres {
            command.env("COUNTERSIGN_STORE_URL", postgres.url());
        }
        command.envs(environment.iter().copied());
        command
    }

    /// Changes the database of a data directory whose server is stopped.
    pub(crate) fn sql(&self, data: &str, text: &str) {
        if let Some(postgres) = &self.postgres {
            return postgres.run(text);
        }
        let database = self.path(data).join("countersign.db");
        assert!(Command::new("sqlite3").arg(database).arg(text).status().unwrap().success());
    }

    /// Starts `up` on free ports with the data directory `data`.
    pub(crate) fn up(&self, data: &str, arguments: &[&str]) -> Server {
        self.try_up(data, arguments, &[]).unwrap_or_else(|log| panic!("up did not start:\n{log}"))
    }

    pub(crate) fn try_up(
        &self,
        data: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Server, String> {
        self.try_up_through(&[], data, arguments, environment)
    }

    /// Starts `up` through a program that runs it, such as one that sets limits.
    pub(crate) fn try_up_through(
        &self,
        program: &[&str],
        data: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Server, String> {
        let mut all = vec!["up", "--json", "--data", data];
        for listener in ["--issuer-listen", "--gateway-listen", "--mtls-listen", "--admin-listen"] {
            if !arguments.contains(&listener) {
                all.extend([listener, "127.0.0.1:0"]);
            }
        }
        all.extend(arguments);
        let log = self.path(&format!("{data}.log").replace('/', "_"));
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut child = self
            .command_through(program, &all, environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(card) = serde_json::from_str::<Value>(&line) else {
            let status = child.wait().unwrap();
            return Err(format!("{status}\n{}", std::fs::read_to_string(&log).unwrap_or_default()));
        };
        Ok(Server { child: Some(child), card, log })
    }
}

/// A running `up`; killed when dropped.
pub(crate) struct Server {
    child: Option<Child>,
    pub(crate) card: Value,
    pub(crate) log: PathBuf,
}

impl Server {
    /// Returns one of the card's URLs as `host:port`.
    pub(crate) fn address(&self, name: &str) -> String {
        let url = self.card[name].as_str().unwrap();
        url.split_once("://").unwrap().1.trim_end_matches('/').replace("localhost", "127.0.0.1")
    }

    pub(crate) fn management_key(&self) -> String {
        self.card["management_key"].as_str().unwrap().to_owned()
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.as_ref().unwrap().id()).unwrap()
    }

    /// Sends a request to the gateway with a bearer credential.
    pub(crate) fn call(&self, path: &str, key: Option<&str>) -> Answer {
        let authorization = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        get(&self.address("gateway"), path, &authorization)
    }

    /// Calls the management API with the management key of the first start.
    pub(crate) fn manage(&self, method: &str, path: &str, body: &Value) -> Answer {
        manage(&self.address("admin"), &self.management_key(), method, path, body)
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(mut self) -> std::process::ExitStatus {
        signal(self.pid(), "-TERM");
        wait(self.child.as_mut().unwrap())
    }

    /// Kills the process as a power cut would.
    pub(crate) fn kill(mut self) {
        let child = self.child.as_mut().unwrap();
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Returns why the gateway has refused, as it tells its operator: the caller is given the name of the event alone. Empty: it has not.
    #[track_caller]
    pub(crate) fn reason(&self, answer: &Answer) -> String {
        let told: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let Some(event) = told["instance"].as_str() else { return String::new() };
        let mut line = String::new();
        eventually("it is told", || {
            line = self.log().lines().find(|line| line.contains(event)).unwrap_or_default().to_owned();
            !line.is_empty()
        });
        let (_, rest) = line.split_once("reason").unwrap_or_else(|| panic!("{line}"));
        let word = |one: &char| one.is_ascii_lowercase() || *one == '_';
        rest.chars().skip_while(|one| !word(one)).take_while(word).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = self.child.as_mut() {
            let _killed = child.kill();
            let _waited = child.wait();
        }
    }
}

pub(crate) fn signal(pid: i32, name: &str) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

fn wait(child: &mut Child) -> std::process::ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "the process does not end");
        std::thread::yield_now();
    }
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Tells whether all of it has arrived.
    fn is_whole(&self) -> bool {
        let told = self.header("content-length");
        self.status != 0 && told.is_none_or(|length| length.parse() == Ok(self.body.len()))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the body as JSON; null if there is none.
    pub(crate) fn json_if_any(&self) -> Value {
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

pub(crate) fn get(address: &str, path: &str, headers: &str) -> Answer {
    raw(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n"))
}

pub(crate) fn manage(address: &str, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    raw(
        address,
        &format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ),
    )
}

/// Sends bytes and reads the answer until the connection closes.
pub(crate) fn raw(address: &str, request: &str) -> Answer {
    let bytes = exchange(address, request).unwrap_or_else(|error| panic!("{BROKEN}: {error}"));
    parse(&bytes)
}

fn exchange(address: &str, request: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How a test fails that asks a server which is gone.
const BROKEN: &str = "the connection broke";

/// Asks a server that may be killed meanwhile; `None`: it was gone before all of its answer was here. Whatever else goes wrong there goes
/// wrong here.
pub(crate) fn heard(ask: impl FnOnce() -> Answer) -> Option<Answer> {
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(answer) => answer.is_whole().then_some(answer),
        Err(broken) if broken.downcast_ref::<String>().is_some_and(|text| text.starts_with(BROKEN)) => None,
        Err(other) => resume_unwind(other),
    }
}

fn parse(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes).into_owned();
    // Of a head that was cut off nothing counts.
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or(("", &text));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Answer { status, head: head.to_owned(), body: if chunked { unchunk(body) } else { body.to_owned() } }
}

fn unchunk(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        whole.push_str(&rest[..size]);
        text = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

/// Waits until `done` holds, and says how long it took.
#[track_caller]
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}: did not happen");
        std::thread::yield_now();
    }
    begun.elapsed()
}

/// A stock upstream that the project did not write: `python3 -m http.server` on a free port.
pub(crate) struct Python {
    child: Child,
    pub(crate) url: String,
}

impl Python {
    pub(crate) fn serve(directory: &Path) -> Self {
        let mut child = Command::new("python3")
            .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"])
            .current_dir(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 is needed");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        // "Serving HTTP on 127.0.0.1 port 41234 (http://127.0.0.1:41234/) ..."
        let port = line.split(" port ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}
