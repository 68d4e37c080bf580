//! A requirement that is tried beside the one that is enforced.

use serde_json::json;

use crate::harness::{Ground, get};

#[test]
fn safety_7_a_shadow_is_counted_and_never_acted_on() {
    let place = Ground::new();
    let config = place.write(
        "c.toml",
        "[[route]]\nname = \"soon\"\npath = \"/soon\"\nupstream = \"default\"\n\
         require = { any = [ { anonymous = {} }, { api_key = {} } ] }\nshadow = { require = { api_key = { scope = \"admin\" } } }\n\n\
         [[route]]\nname = \"wide\"\npath = \"/wide\"\nupstream = \"default\"\n\
         require = { api_key = { scope = \"admin\" } }\nshadow = { require = { anonymous = {} } }\n",
    );
    let server = place.up("data", &["--config", config.to_str().unwrap()]);
    let mint = |scopes: serde_json::Value| {
        let minted = server.manage("POST", "/v1/keys", &json!({ "name": "a", "scopes": scopes })).json();
        (minted["id"].as_str().unwrap().to_owned(), minted["key"].as_str().unwrap().to_owned())
    };
    let ((id, plain), (_, admin)) = (mint(json!(["orders"])), mint(json!(["admin"])));
    let anonymous = server.call("/soon", None);
    assert_eq!(anonymous.status, 200);
    assert!(anonymous.json()["headers"].get("countersign-subject").is_none(), "a shadow makes no identity");
    assert_eq!(server.call("/soon", Some(&plain)).status, 200);
    assert_eq!(server.call("/soon", Some(&admin)).status, 200);
    assert_eq!(server.call("/wide", None).status, 401, "a shadow opens nothing");
    assert_eq!(server.manage("POST", &format!("/v1/keys/{id}/revoke"), &json!(null)).status, 200);
    assert_eq!(
        server.call("/soon", Some(&plain)).status,
        401,
        "a revoked key is refused, whatever the shadow"
    );
    let metrics = get(&server.address("admin"), "/metrics", "").body;
    let count = |labels: &str| {
        let line = format!("countersign_shadow_decisions_total{{{labels}}} ");
        metrics.lines().find_map(|one| one.strip_prefix(&line)?.parse::<u64>().ok()).unwrap_or(0)
    };
    assert_eq!(count("route=\"soon\",verdict=\"refused\",reason=\"credential_required\""), 1);
    assert_eq!(count("route=\"soon\",verdict=\"refused\",reason=\"insufficient_scope\""), 1);
    assert_eq!(count("route=\"soon\",verdict=\"granted\",reason=\"\""), 1);
    assert_eq!(count("route=\"wide\",verdict=\"granted\",reason=\"\""), 1);
}
