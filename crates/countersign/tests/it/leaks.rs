//! Whoever holds a key may end it, and learns nothing by trying.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Answer, Ground, Server, eventually, raw};

fn mint(server: &Server, body: &Value) -> (String, String) {
    let minted = server.manage("POST", "/v1/keys", body).json();
    (minted["id"].as_str().unwrap().to_owned(), minted["key"].as_str().unwrap().to_owned())
}

fn report(server: &Server, fields: &str, body: &str) -> Answer {
    let request = format!(
        "POST /v1/keys/revoke-leaked HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    raw(&server.address("issuer"), &request)
}

#[test]
fn safety_16_whoever_holds_a_key_ends_it_and_learns_nothing() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let (id, leaked) = mint(&server, &json!({ "name": "leaked" }));
    let (_, other) = mint(&server, &json!({ "name": "other" }));
    let answers: Vec<_> = [
        json!({ "credentials": [leaked] }),
        json!({ "credentials": [leaked] }),
        json!({ "credentials": ["cs_live_0000000000000000000000000000000000000000000000000"] }),
        json!({ "credentials": ["", "nonsense", "\u{7}", id] }),
    ]
    .iter()
    .map(|body| report(&server, "", &body.to_string()))
    .collect();
    for answer in &answers {
        assert_eq!((answer.status, answer.body.as_str()), (202, ""), "{answer:?}");
    }
    let heads: Vec<_> = answers
        .iter()
        .map(|one| one.head.lines().filter(|line| !line.starts_with("date")).collect::<Vec<_>>())
        .collect();
    assert!(heads.windows(2).all(|pair| pair[0] == pair[1]), "{heads:?}");
    eventually("the key is refused", || server.call("/x", Some(&leaked)).status == 401);
    assert_eq!(server.call("/x", Some(&other)).status, 200);
    let audit = server.manage("GET", "/v1/audit?last=true&limit=200", &Value::Null).body;
    assert_eq!(audit.matches("api_key.leaked").count(), 1, "a repeat is no second event");
    assert!(audit.contains(&id) && !audit.contains(&leaked));

    let management = server.management_key();
    let body = json!({ "credentials": [management] }).to_string();
    assert_eq!(report(&server, "", &body).status, 202);
    eventually("the management key is refused", || {
        server.manage("GET", "/v1/keys", &Value::Null).status == 401
    });
}

#[test]
fn safety_16_a_report_that_is_none_is_refused_and_reports_are_limited() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let (_, key) = mint(&server, &json!({ "name": "a" }));
    let good = json!({ "credentials": [key] }).to_string();
    for (fields, body, expected) in [
        ("", "", 400),
        ("", "[]", 400),
        ("", "{\"credentials\":[]}", 400),
        ("", "{\"credentials\":[1]}", 400),
        ("", "{\"credentials\":[\"a\"],\"x\":1}", 400),
        (&*format!("Authorization: Bearer {key}\r\n"), good.as_str(), 403),
    ] {
        assert_eq!(report(&server, fields, body).status, expected, "{fields} {body}");
    }
    let many = json!({ "credentials": vec!["a"; 1001] }).to_string();
    assert_eq!(report(&server, "", &many).status, 400);
    let get = raw(
        &server.address("issuer"),
        "GET /v1/keys/revoke-leaked HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(get.status, 405);
    assert_eq!(server.call("/x", Some(&key)).status, 200);
    let refused =
        (0..80).map(|_| report(&server, "", "{\"credentials\":[\"a\"]}")).find(|answer| answer.status != 202);
    let refused = refused.expect("reports are limited");
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
}

#[test]
fn scanners_recognise_keys_by_the_printed_rules() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let (_, key) = mint(&server, &json!({ "name": "a" }));
    let (_, own) = mint(&server, &json!({ "name": "a", "prefix": "shss" }));
    server.stop();
    for format in ["gitleaks", "trufflehog"] {
        let printed = place.run(&["key", "rules", "--format", format, "--prefix", "shss"], &[]);
        assert!(printed.status.success(), "{printed:?}");
        let rules = place.write("rules", &String::from_utf8(printed.stdout).unwrap());
        let program = r#"
import re, sys
text = open(sys.argv[1]).read()
rules = re.findall(r"(?:'''|key: ')(.*?)'", text)
assert len(rules) == 4, rules
for line in sys.stdin.read().splitlines():
    want, candidate = line.split(" ", 1)
    found = [m.group(1) for rule in rules for m in re.finditer(rule, candidate)]
    assert (len(found) == 1) == (want == "+"), (line, found)
"#;
        let lines = [
            format!("+ token = \"{key}\""),
            format!("+ {own}"),
            format!("+ https://x/?k={key}&y"),
            format!("- {key}x"),
            format!("- {}", &key[..key.len() - 1]),
            "- cs_live_".to_owned(),
            format!("- x{key}"),
        ];
        let input = place.write("lines", &lines.join("\n"));
        let checked = Command::new("python3")
            .args(["-c", program, rules.to_str().unwrap()])
            .stdin(std::fs::File::open(input).unwrap())
            .output()
            .unwrap();
        assert!(checked.status.success(), "{format}: {}", String::from_utf8_lossy(&checked.stderr));
    }
    let refused = place.run(&["key", "rules", "--format", "grep"], &[]);
    assert!(!refused.status.success());
}
