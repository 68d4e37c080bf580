//! Nobody starves another: what one caller may cost is bounded, and the others do not notice.

use serde_json::{Value, json};

use crate::harness::{Place, Server, eventually, manage};

/// Makes a tenant with a management key; its organisation and the key.
fn tenant(server: &Server, name: &str) -> (String, String) {
    let owner = server.manage("POST", "/v1/owners", &json!({ "kind": "organisation", "name": name })).json();
    let owner = owner["id"].as_str().unwrap().to_owned();
    let scopes = json!(["keys:read", "keys:write", "owners:write", "audit:read"]);
    let body = json!({ "name": name, "owner": owner, "scopes": scopes, "grantable": ["orders:read"] });
    let key = server.manage("POST", "/v1/management-keys", &body).json()["key"].as_str().unwrap().to_owned();
    (owner, key)
}

/// Reads the bodies of the latest audit lines.
fn audit(server: &Server) -> Vec<String> {
    let page = server.manage("GET", "/v1/audit?last=true&limit=500", &Value::Null).json();
    let lines = page["data"].as_array().unwrap().iter();
    lines.map(|line| line["body"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn refused_acts_of_one_tenant_are_filed_up_to_a_rate_and_anothers_beside_them() {
    let place = Place::new();
    let server = place.up("data", &[]);
    let ((noisy, noisy_key), (quiet, quiet_key)) = (tenant(&server, "noisy"), tenant(&server, "quiet"));
    let excess = json!({ "name": "k", "scopes": ["payments"] });
    let admin = server.address("admin");
    let refused = |key: &str| assert_eq!(manage(&admin, key, "POST", "/v1/keys", &excess).status, 403);
    let begun = std::time::SystemTime::now();
    (0..300).for_each(|_| refused(&noisy_key));
    refused(&quiet_key);
    let seconds = usize::try_from(begun.elapsed().unwrap().as_secs()).unwrap() + 2;
    let of = |lines: &[String], owner: &str| {
        let about = |line: &&String| line.contains("excess_scope") && line.contains(owner);
        lines.iter().filter(about).count()
    };
    eventually("the quiet tenant's line", || of(&audit(&server), &quiet) == 1);
    let filed = of(&audit(&server), &noisy);
    assert!((1..=20 * seconds).contains(&filed), "{filed} lines in {seconds} s");
    eventually("what was dropped is counted", || {
        let gaps =
            audit(&server).into_iter().filter(|line| line.contains("audit.gap") && line.contains(&noisy));
        let dropped = |line: String| -> usize {
            let line: Value = serde_json::from_str(&line).unwrap();
            line["details"][0][1].as_str().unwrap().parse().unwrap()
        };
        gaps.map(dropped).sum::<usize>() == 300 - filed
    });
}
