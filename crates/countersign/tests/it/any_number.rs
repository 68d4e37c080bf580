//! Any number of rows: what a command holds does not grow with what it lists, revokes, exports or imports.
//!
//! The management API is played here, so that many rows cost no minutes; the shapes are the product's own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::harness::Ground;

/// Pages of 500 rows with a kilobyte each: 30 MB altogether, which took well over 100 MB when it was collected.
const PAGES: usize = 60;
const ROWS: usize = 500;
/// What a command may grow by between its fifth page and its last, in KiB.
const GROWTH: u64 = 16 * 1024;
/// What a command may hold altogether, in KiB.
const HELD: u64 = 64 * 1024;

/// A management API of which nothing is true but the shape: it serves `PAGES` pages, or takes that many imports, and
/// looks at what its caller holds in memory meanwhile.
struct Endless {
    address: String,
    caller: Arc<OnceLock<u32>>,
    held: std::thread::JoinHandle<Vec<u64>>,
}

impl Endless {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let caller = Arc::new(OnceLock::new());
        let pid = Arc::clone(&caller);
        let held = std::thread::spawn(move || {
            let answer = |page: usize| {
                let (mut stream, _) = listener.accept().unwrap();
                let imported = read(&stream);
                let held = resident(*pid.wait());
                write!(stream, "{}", answered(page, imported)).unwrap();
                held
            };
            (1..=PAGES).map(answer).collect()
        });
        Self { address, caller, held }
    }
}

/// Reads a request, and returns how many keys it brings.
fn read(stream: &TcpStream) -> usize {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).unwrap() > 2 {
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    body["keys"].as_array().map_or(0, Vec::len)
}

fn answered(page: usize, imported: usize) -> String {
    let row = |n: usize| {
        let number = page * ROWS + n;
        json!({ "id": format!("key_{number:06}"), "name": format!("name {number:06}"), "hint": "cs_live_…abcd",
            "environment": "live", "scopes": ["orders:read"], "state": "live", "expires_at": null,
            "metadata": { "text": "x".repeat(1000) } })
    };
    let rows: Vec<_> = if imported == 0 { (0..ROWS).map(row).collect() } else { Vec::new() };
    let next = (page < PAGES).then(|| format!("{page}"));
    let body = json!({ "data": rows, "next_cursor": next, "count": ROWS, "dry_run": false,
        "imported": imported, "existing": 0, "refused": 0 });
    let body = body.to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Returns the most that a process has held so far, in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Runs a command against endless pages; what it wrote, and by how much it grew.
#[track_caller]
fn check(place: &Ground, arguments: &[&str]) -> String {
    let api = Endless::start();
    let (key, admin) = (("COUNTERSIGN_KEY", "unread"), ("COUNTERSIGN_ADMIN", api.address.as_str()));
    let child = place
        .command(arguments, &[key, admin])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    api.caller.set(child.id()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let held = api.held.join().unwrap();
    let grown = held[PAGES - 1].saturating_sub(held[4]);
    assert!(grown < GROWTH && held[PAGES - 1] < HELD, "{arguments:?} grew by {grown} KiB: {held:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn lists_are_written_page_by_page() {
    let place = Ground::on_sqlite();
    for noun in ["key", "owner", "management-key"] {
        let whole: Value = serde_json::from_str(&check(&place, &[noun, "list", "--json"])).unwrap();
        assert_eq!(whole["data"].as_array().unwrap().len(), PAGES * ROWS, "{noun}");
        assert_eq!(whole["next_cursor"], Value::Null);
    }
    let table = check(&place, &["key", "list"]);
    assert_eq!(table.lines().count(), 1 + PAGES * ROWS, "the titles once, then a line for each row");
    let places: Vec<_> =
        table.lines().map(|line| line.find("cs_live").or_else(|| line.find("HINT"))).collect();
    assert!(places.windows(2).all(|two| two[0] == two[1]), "the columns of all pages stand below each other");
}

#[test]
fn an_export_is_written_page_by_page() {
    let lines = check(&Ground::on_sqlite(), &["key", "export"]);
    assert_eq!(lines.lines().count(), PAGES * ROWS);
}

#[test]
fn a_bulk_revocation_is_told_page_by_page() {
    let place = Ground::on_sqlite();
    assert_eq!(check(&place, &["key", "revoke-many", "--all"]).lines().count(), 1 + PAGES * ROWS);
    let told: Value =
        serde_json::from_str(&check(&place, &["key", "revoke-many", "--all", "--json"])).unwrap();
    assert_eq!((told["data"].as_array().unwrap().len(), &told["dry_run"]), (PAGES * ROWS, &json!(false)));
}

#[test]
fn an_import_is_read_as_it_is_sent() {
    let place = Ground::on_sqlite();
    let line = |number: usize| {
        format!("{{\"hash\":\"{number:064x}\",\"metadata\":{{\"text\":\"{}\"}}}}\n", "x".repeat(500))
    };
    let text: String = (0..PAGES * 1000).map(line).collect();
    let file = place.write("keys.jsonl", &text);
    let arguments = ["key", "import", file.to_str().unwrap(), "--prefix", "acme_", "--json"];
    let told: Value = serde_json::from_str(&check(&place, &arguments)).unwrap();
    assert_eq!(
        told,
        json!({ "imported": PAGES * 1000, "existing": 0, "refused": 0, "dry_run": false, "reasons": [] })
    );
}
