//! SAFETY 3 over tokens: yesterday's copy is put back, and nothing that was issued since, or ended since, is accepted.

use std::path::Path;
use std::process::Command;

use countersign_testkit::Postgres;
use serde_json::{Value, json};

use crate::harness::{Ground, Server, manage};
use crate::oauth::{Client, call, refused};

const FIXED: [&str; 4] =
    ["--issuer-url", "https://auth.example.com", "--resource", "https://api.example.com"];

/// What is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    /// The database: what the node has written down beside it stays.
    Database,
    /// The whole data directory, and the database wherever it is: nothing inside tells of it.
    Everything,
}

/// An installation whose copy is put back.
struct Installation {
    place: Ground,
    postgres: Option<Postgres>,
    management_key: String,
}

impl Installation {
    fn start(postgres: Option<Postgres>) -> (Self, Server) {
        let place = Ground::on_sqlite();
        let mut it = Self { place, postgres, management_key: String::new() };
        let server = it.up();
        it.management_key = server.management_key();
        (it, server)
    }

    fn up(&self) -> Server {
        let url = self.postgres.as_ref().map(Postgres::url);
        let store: Vec<&str> = url.iter().flat_map(|url| ["--store", url]).collect();
        self.place.up("data", &[&FIXED[..], &store].concat())
    }

    fn keep(&mut self) {
        copy(&self.place.path("data"), &self.place.path("kept"));
        if let Some(postgres) = &mut self.postgres {
            postgres.keep();
        }
    }

    fn put_back(&mut self, what: Back) {
        let (data, kept) = (self.place.path("data"), self.place.path("kept"));
        match what {
            Back::Everything => copy(&kept, &data),
            Back::Database => {
                for name in ["countersign.db", "countersign.db-wal", "countersign.db-shm"] {
                    let _absent = std::fs::remove_file(data.join(name));
                    if kept.join(name).exists() {
                        std::fs::copy(kept.join(name), data.join(name)).unwrap();
                    }
                }
            }
        }
        if let Some(postgres) = &mut self.postgres {
            postgres.go_back();
        }
    }

    fn manage(&self, server: &Server, path: &str, body: &Value) {
        let done = manage(&server.address("admin"), &self.management_key, "POST", path, body);
        assert_eq!(done.status, 204, "{path}: {done:?}");
    }
}

/// Copies a directory to where another may be, as a backup tool does.
fn copy(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// Lives for a while after the copy was made: issues, ends, and ends everything; returns what ended.
fn live_on(it: &Installation, clients: &[Client; 2], before: Vec<String>) -> Vec<String> {
    let server = it.up();
    for token in &before {
        it.manage(&server, "/v1/tokens/revoke", &json!({ "token": token }));
    }
    it.manage(&server, "/v1/tokens/revoke", &json!({ "all": true }));
    let after: Vec<_> = clients.iter().map(|client| client.token(&server)).collect();
    for (client, token) in clients.iter().zip(&after) {
        assert_eq!(call(&server, token).status, 200);
        assert_eq!(client.post(&server, "/oauth/revoke", &format!("token={token}")).status, 200);
        refused(&server, token);
    }
    server.stop();
    [before, after].concat()
}

fn yesterday_is_put_back(postgres: Option<Postgres>, what: Back) {
    let (mut it, server) = Installation::start(postgres);
    let clients =
        [json!({}), json!({ "token_format": "opaque" })].map(|more| Client::register(&server, &more));
    let mut ended: Vec<_> = clients.iter().map(|client| client.token(&server)).collect();
    server.stop();
    it.keep();
    // Twice: what the first restored life has issued is none of the second's.
    for time in 1..=2 {
        ended = live_on(&it, &clients, ended);
        it.put_back(what);
        let server = it.up();
        for token in &ended {
            refused(&server, token);
            for client in &clients {
                assert!(!client.is_active(&server, token), "{time}: {what:?}");
            }
        }
        assert!(server.log().contains("the store went back"), "{what:?}: {}", server.log());
        let fresh: Vec<_> = clients.iter().map(|client| client.token(&server)).collect();
        assert!(fresh.iter().all(|token| call(&server, token).status == 200), "clients obtain new ones");
        server.stop();
        let server = it.up();
        assert!(fresh.iter().all(|token| call(&server, token).status == 200), "another start ends nothing");
        server.stop();
        ended.clear();
        ended.extend(fresh);
    }
}

#[test]
fn safety_3_no_token_of_before_is_accepted_after_yesterdays_file_was_put_back() {
    yesterday_is_put_back(None, Back::Database);
}

#[test]
fn safety_3_no_token_of_before_is_accepted_after_yesterdays_data_directory_was_put_back() {
    yesterday_is_put_back(None, Back::Everything);
}

#[test]
fn safety_3_no_token_of_before_is_accepted_after_a_lagging_standby_was_promoted() {
    let Some(postgres) = Postgres::start() else { return };
    yesterday_is_put_back(Some(postgres), Back::Database);
}

#[test]
fn safety_3_no_token_of_before_is_accepted_after_server_and_data_directory_were_put_back() {
    let Some(postgres) = Postgres::start() else { return };
    yesterday_is_put_back(Some(postgres), Back::Everything);
}
