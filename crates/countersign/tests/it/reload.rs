//! Reload: what changes while requests are served, and what stays when a file is broken.

use serde_json::json;

use crate::harness::{Ground, Python, Server, eventually, get, signal};

const OPEN: &str = "require = { any = [ { anonymous = {} } ] }\n";
const KEYED: &str = "require = { api_key = {} }\n";

fn route(name: &str, upstream: &str, require: &str) -> String {
    format!("[[route]]\nname = \"{name}\"\npath = \"/{name}/{{**}}\"\nupstream = \"{upstream}\"\n{require}\n")
}

fn reloads(server: &Server, result: &str) -> u64 {
    let metrics = get(&server.address("admin"), "/metrics", "").body;
    let line = format!("countersign_reloads_total{{result=\"{result}\"}} ");
    metrics.lines().find_map(|one| one.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

#[test]
fn a_reload_holds_as_a_whole_or_not_at_all() {
    let place = Ground::new();
    let files = tempfile::tempdir().unwrap();
    std::fs::create_dir(files.path().join("b")).unwrap();
    std::fs::write(files.path().join("b/file"), "from the second upstream").unwrap();
    let python = Python::serve(files.path());
    let first = route("a", "default", OPEN);
    let config = place.write("c.toml", &first);
    let server = place.up("data", &["--config", config.to_str().unwrap()]);
    assert_eq!(server.call("/a/x", None).status, 200);
    assert_eq!(server.call("/b/file", None).status, 404);

    // Asked for by SIGHUP: a route is closed, another one appears with an upstream of its own.
    let upstream = format!("[[upstream]]\nname = \"second\"\nurl = \"{}\"\n", python.url);
    let second = format!(
        "{}{}{upstream}[limits]\ndrain = \"9s\"\n",
        route("a", "default", KEYED),
        route("b", "second", OPEN)
    );
    place.write("c.toml", &second);
    signal(server.pid(), "-HUP");
    eventually("the reload", || reloads(&server, "applied") >= 1);
    assert_eq!(server.call("/a/x", None).status, 401, "closed");
    assert_eq!(server.call("/b/file", None).body, "from the second upstream");
    let log = server.log();
    for words in ["route[a].require", "route[b] added", "upstream[second] added", "limits.drain"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    eventually("the audit's line", || {
        let audit = server.manage("GET", "/v1/audit?limit=50", &json!(null)).body;
        audit.contains("settings.reload") && audit.contains("route[b] added")
    });
    let routes = server.manage("GET", "/v1/routes", &json!(null)).body;
    assert!(routes.contains("/b/{**}"), "{routes}");

    // Broken in each way that a file can be: what is in force stays.
    for (number, broken) in [
        (1, "[[route]\n".to_owned()),
        (2, format!("{second}[gatway]\n")),
        (3, route("b", "nowhere", OPEN)),
        (4, format!("{}{}", route("b", "second", OPEN), route("b", "second", OPEN))),
    ] {
        place.write("c.toml", &broken);
        signal(server.pid(), "-HUP");
        eventually("the refusal", || reloads(&server, "refused") >= number);
        assert_eq!(server.call("/a/x", None).status, 401, "{broken}");
        assert_eq!(server.call("/b/file", None).status, 200, "{broken}");
    }
    assert!(server.log().contains("c.toml:"), "with its position");
    std::fs::remove_file(&config).unwrap();
    signal(server.pid(), "-HUP");
    eventually("the refusal", || reloads(&server, "refused") >= 5);
    assert_eq!(server.call("/b/file", None).status, 200, "the file is gone");

    // Without being asked: the file is replaced, and read once it rests.
    place.write("c.toml", &first);
    eventually("the change", || server.call("/a/x", None).status == 200);
    assert_eq!(server.call("/b/file", None).status, 404);
}
