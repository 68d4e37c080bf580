//! What bad input and broken surroundings get: one clear error, nothing lost.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Ground, eventually};

#[track_caller]
fn refused(place: &Ground, arguments: &[&str], environment: &[(&str, &str)], words: &[&str]) {
    let log = place.try_up("data", arguments, environment).err().expect("it must not start");
    for word in words {
        assert!(log.contains(word), "expected `{word}` in:\n{log}");
    }
}

#[test]
fn an_unknown_setting_is_told_with_position_and_suggestion() {
    let place = Ground::new();
    let config = place.write("c.toml", "[gateway]\nlistn = \"127.0.0.1:0\"\n");
    refused(
        &place,
        &["--config", config.to_str().unwrap()],
        &[],
        &["c.toml:2:1", "`gateway.listn`", "`gateway.listen`"],
    );
    refused(&place, &[], &[("COUNTERSIGN_GATEWAY_LISTN", "x")], &["COUNTERSIGN_GATEWAY_LISTEN"]);
}

#[test]
fn a_value_with_which_nothing_would_be_served_is_told() {
    let place = Ground::new();
    for (text, setting) in [
        ("[limits]\nconnections = 0\n", "limits.connections"),
        ("[feed]\nmax_age = \"0s\"\n", "feed.max_age"),
        ("[gateway]\nworkers = 0\n", "gateway.workers"),
        ("[api_key]\nmax_lifetime = \"0s\"\n", "api_key.max_lifetime"),
        ("[admin]\nhosts = [\"*\"]\n", "admin.hosts"),
    ] {
        let config = place.write("c.toml", text);
        refused(&place, &["--config", config.to_str().unwrap()], &[], &[setting]);
    }
}

#[test]
fn a_route_that_cannot_be_is_told() {
    let place = Ground::new();
    let rows = [
        ("[[route]]\npath = \"/a\"\nupstream = \"nowhere\"\nrequire = { api_key = {} }\n", "nowhere"),
        ("[[route]]\npath = \"a\"\nupstream = \"default\"\nrequire = { api_key = {} }\n", "route 1"),
        (
            "[[route]]\npath = \"/a\"\nupstream = \"default\"\nrequire = { any = [] }\n",
            "at least one condition",
        ),
        ("[[route]]\npath = \"/a\"\nupstream = \"default\"\n", "require"),
    ];
    for (text, word) in rows {
        let config = place.write("c.toml", text);
        refused(&place, &["--config", config.to_str().unwrap()], &[], &[word]);
    }
}

#[test]
fn safety_12_a_route_says_which_resource_its_tokens_are_for_where_the_file_declares_some() {
    let place = Ground::new();
    let declared = "[[resource]]\nid = \"https://api.example.com\"\n\n";
    let route = |require: &str| {
        format!("[[route]]\nname = \"orders\"\npath = \"/a\"\nupstream = \"default\"\nrequire = {require}\n")
    };
    let named = "{ access_token = { audience = \"https://api.example.com\" } }";
    let shadow = "shadow = { require = { access_token = {} } }\n";
    for text in [
        route("{ access_token = { scope = \"a\" } }"),
        route("{ any = [ { api_key = {} }, { access_token = {} } ] }"),
        route(named) + shadow,
    ] {
        let config = place.write("c.toml", &format!("{declared}{text}"));
        let words = [
            "c.toml:4:1: orders (/a): ",
            "require: access_token.audience: which resource?",
            "`https://api.example.com`, or the default one, the gateway's URL",
        ];
        refused(&place, &["--config", config.to_str().unwrap()], &[], &words);
    }
    for text in [
        route("{ access_token = { scope = \"a\" } }"),
        format!("{declared}{}", route(named)),
        format!("{declared}{}", route("{ api_key = {} }")),
        declared.to_owned(),
    ] {
        let config = place.write("c.toml", &text);
        place.up("data", &["--config", config.to_str().unwrap()]).stop();
    }
}

#[test]
fn a_port_in_use_is_told_with_its_setting() {
    let place = Ground::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for listener in ["issuer", "gateway", "mtls", "admin"] {
        refused(
            &place,
            &[&format!("--{listener}-listen"), &address],
            &[],
            &[&format!("{listener}.listen"), &address],
        );
    }
}

#[test]
fn plain_http_beyond_loopback_needs_a_danger_setting() {
    let place = Ground::new();
    refused(&place, &["--gateway-listen", "0.0.0.0:0"], &[], &["gateway.danger_plaintext"]);
    let config = place.write("c.toml", "[gateway]\ndanger_plaintext = true\n");
    let server = place.up("data", &["--config", config.to_str().unwrap(), "--gateway-listen", "0.0.0.0:0"]);
    assert!(server.log().contains("danger_plaintext"), "the log warns:\n{}", server.log());
}

#[test]
fn safety_5_a_second_process_on_one_data_directory_is_refused() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    refused(&place, &[], &[], &["another process", "--data"]);
    assert_eq!(server.call("/x", None).status, 401, "the first goes on");
}

#[test]
fn an_unusable_data_directory_is_told() {
    let place = Ground::new();
    place.write("data", "a file");
    refused(&place, &[], &[], &["data directory"]);
    let place = Ground::new();
    std::fs::create_dir(place.path("data")).unwrap();
    std::fs::set_permissions(place.path("data"), PermissionsExt::from_mode(0o755)).unwrap();
    refused(&place, &[], &[], &["open to other users", "chmod 700"]);
}

#[test]
fn a_foreign_or_corrupt_database_is_told_and_left_alone() {
    let place = Ground::on_sqlite();
    place.up("data", &[]).stop();
    let database = place.path("data/countersign.db");
    let good = std::fs::read(&database).unwrap();
    std::fs::write(&database, vec![0x55; 8192]).unwrap();
    for leftover in ["data/countersign.db-wal", "data/countersign.db-shm"] {
        let _gone = std::fs::remove_file(place.path(leftover));
    }
    refused(&place, &[], &[], &["countersign.db"]);
    assert_eq!(std::fs::read(&database).unwrap(), vec![0x55; 8192], "it is left as it was found");
    std::fs::remove_file(&database).unwrap();
    let made =
        std::process::Command::new("sqlite3").arg(&database).arg("CREATE TABLE mine (a)").status().unwrap();
    assert!(made.success());
    std::fs::set_permissions(&database, PermissionsExt::from_mode(0o600)).unwrap();
    refused(&place, &[], &[], &["countersign.db"]);
    std::fs::write(&database, good).unwrap();
    place.up("data", &[]);
}

#[test]
fn safety_3_a_file_that_is_removed_or_replaced_under_the_server_ends_it() {
    for replaced in [false, true] {
        let place = Ground::on_sqlite();
        let server = place.up("data", &[]);
        let database = place.path("data/countersign.db");
        let bytes = std::fs::read(&database).unwrap();
        std::fs::remove_file(&database).unwrap();
        if replaced {
            std::fs::write(&database, bytes).unwrap();
        }
        eventually("it ends by itself", || server.log().contains("while it was in use"));
        eventually("nothing is served", || std::net::TcpStream::connect(server.address("gateway")).is_err());
    }
}

#[test]
fn safety_3_a_node_without_its_database_does_not_begin_as_an_empty_one() {
    let place = Ground::on_sqlite();
    place.up("data", &[]).stop();
    for name in ["countersign.db", "countersign.db-wal", "countersign.db-shm"] {
        let _gone = std::fs::remove_file(place.path("data").join(name));
    }
    refused(&place, &[], &[], &["belongs to a node", "countersign.db", "--store", "backup"]);
    assert!(!place.path("data/countersign.db").exists(), "nothing is made");
}

#[test]
fn a_wrong_master_key_is_told() {
    let place = Ground::on_sqlite();
    place.up("data", &[]).stop();
    place.up("other", &[]).stop();
    std::fs::copy(place.path("other/master.key"), place.path("data/master.key")).unwrap();
    refused(&place, &[], &[], &["another master key", "--master-key"]);
    let place = Ground::on_sqlite();
    place.up("data", &[]).stop();
    std::fs::write(place.path("data/master.key"), "nonsense").unwrap();
    refused(&place, &[], &[], &["master.key", "expected lines"]);
}

#[test]
fn an_upstream_that_is_down_is_502_for_permitted_callers_alone() {
    let place = Ground::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = place.up("data", &["--upstream", &format!("http://{free}")]);
    let minted = server.manage("POST", "/v1/keys", &serde_json::json!({ "name": "a" })).json();
    assert_eq!(server.call("/x", minted["key"].as_str()).status, 502);
    assert_eq!(server.call("/x", None).status, 401);
}
