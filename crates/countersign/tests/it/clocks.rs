//! Two nodes whose clocks differ: one runs under libfaketime, and nobody steps the machine's clock.

use std::path::PathBuf;

use countersign_testkit::Postgres;
use serde_json::{Value, json};

use crate::harness::{Ground, Server, eventually, manage};
use crate::oauth::{Client, call};

/// What becomes of a token of 15 minutes at the other node, by how far the second node's clock is ahead in seconds: of one
/// that the first has issued, and of one that the second has. The leeway is a minute at the beginning, and none at the end.
const ROWS: [(i64, u16, u16); 7] = [
    (0, 200, 200),
    (45, 200, 200),
    (-45, 200, 200),
    (600, 200, 401),
    (-600, 401, 200),
    (960, 401, 401),
    (-960, 401, 401),
];

/// Where Debian keeps it: a folder for each architecture. It is loaded into the child alone, which keeps its process id.
pub(crate) fn faketime() -> PathBuf {
    let found = std::fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok);
    let mut found = found.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    found.find(|library| library.exists()).expect("faketime is needed (apt-get install faketime)")
}

/// Starts a second node beside `one`, whose clock is `ahead` by so many seconds.
pub(crate) fn second(place: &Ground, store: &str, (one, ahead): (&Server, i64), more: &[&str]) -> Server {
    let master_key = place.path("one/master.key").display().to_string();
    let url = |name: &str| one.card[name].as_str().unwrap();
    let arguments = [
        "--store",
        store,
        "--master-key",
        &master_key,
        "--issuer-url",
        url("issuer"),
        "--resource",
        url("gateway"),
    ];
    let (library, ahead) = (faketime().display().to_string(), format!("{ahead:+}s"));
    let environment =
        [("LD_PRELOAD", &*library), ("FAKETIME", &*ahead), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let arguments = [&arguments[..], more].concat();
    place.try_up("two", &arguments, &environment).unwrap_or_else(|log| panic!("{ahead}: {log}"))
}

/// Makes the second node's data directory.
pub(crate) fn make_second(place: &Ground) {
    std::fs::create_dir(place.path("two")).unwrap();
    std::fs::set_permissions(place.path("two"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn rfc7519_4_1_4_nodes_whose_clocks_differ_take_each_others_tokens_within_the_leeway() {
    let Some(postgres) = Postgres::start() else { return };
    let (place, store) = (Ground::on_sqlite(), postgres.url());
    let one = place.up("one", &["--store", &store]);
    make_second(&place);
    let client = Client::register(&one, &json!({}));
    for (ahead, of_first, of_second) in ROWS {
        let two = second(&place, &store, (&one, ahead), &[]);
        let tokens = [client.token(&one), client.token(&two)];
        let claims = crate::discovery::claims(&tokens[1]);
        let apart =
            claims["iat"].as_i64().unwrap() - crate::discovery::claims(&tokens[0])["iat"].as_i64().unwrap();
        assert!((apart - ahead).abs() <= 10, "the clock is another: {apart}");
        assert_eq!((call(&one, &tokens[0]).status, call(&two, &tokens[1]).status), (200, 200), "{ahead}");
        assert_eq!(
            (call(&two, &tokens[0]).status, call(&one, &tokens[1]).status),
            (of_first, of_second),
            "{ahead}"
        );
        // SAFETY 17: however far they differ, what ended has ended at both.
        for (token, issued, other) in [(&tokens[0], &one, &two), (&tokens[1], &two, &one)] {
            let revoked = client.post(issued, "/oauth/revoke", &format!("token={token}"));
            assert_eq!((revoked.status, call(issued, token).status), (200, 401), "{ahead}");
            eventually("the other node knows", || call(other, token).status == 401);
        }
        two.stop();
    }
}

#[test]
fn a_key_that_is_rotated_by_a_node_whose_clock_is_wrong_signs_nothing_that_the_others_refuse() {
    let Some(postgres) = Postgres::start() else { return };
    let (place, store) = (Ground::on_sqlite(), postgres.url());
    let one = place.up("one", &["--store", &store]);
    make_second(&place);
    let client = Client::register(&one, &json!({}));
    for ahead in [45, -45, 600, -600] {
        let two = second(&place, &store, (&one, ahead), &[]);
        let admin = two.address("admin");
        let rotated = manage(&admin, &one.management_key(), "POST", "/v1/signing-keys/rotate", &json!({}));
        assert_eq!(rotated.status, 201, "{ahead}: {rotated:?}");
        for server in [&one, &two] {
            let token = client.token(server);
            assert_eq!(call(server, &token).status, 200, "{ahead}: signing goes on");
        }
        let key = rotated.json()["kid"].clone();
        eventually("the key is known", || {
            let keys = one.manage("GET", "/v1/signing-keys", &Value::Null).json();
            keys["data"].as_array().unwrap().iter().any(|known| known["kid"] == key)
        });
        let token = client.token(&one);
        let taken = if ahead == -600 { 401 } else { 200 };
        assert_eq!(call(&two, &token).status, taken, "{ahead}: by the leeway alone");
        two.stop();
    }
}
