//! What never reaches an upstream, whatever bytes a caller thinks of.

use std::cell::Cell;

use countersign_gateway::path::NormalPath;
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use crate::support::{World, routes};

/// Requests that are tried: about three seconds.
const CASES: u32 = 4_000;

/// What a caller forges; nothing of ours holds it.
const FORGED: &str = "forged";

const IDENTITY: [&str; 4] =
    ["countersign-subject", "countersign-scope", "countersign-client", "countersign-credential"];

/// Where the key is written, if at all.
#[derive(Debug, Clone, Copy)]
enum Presented {
    Nowhere,
    Bearer,
    Field,
    Twice,
    Alias,
}

fn target() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(vec!["/", "open", "orders", "passed", "get-only", "x", "settle", "OPEN"]),
        2 => select(vec!["%2e", "%2F", "%5c", "..", ".", ";", "%3b", "%25", "%6f", "%c3%a9", "%00", "//", "\\", "?", "#", "%", "%ef%bc%8e"]),
    ];
    let start = prop_oneof![3 => Just("/open/"), 3 => Just("/orders"), 1 => Just("/"), 1 => Just("http://api.example.com/open/")];
    (start, vec(piece, 0..6)).prop_map(|(start, pieces)| format!("{start}{}", pieces.concat()))
}

fn name() -> impl Strategy<Value = String> {
    let own =
        (select(IDENTITY.to_vec()), select(vec!["-", "_", ".", "!", "~", "+", "*", "'"]), any::<bool>())
            .prop_map(|(name, separator, loud)| {
                let name = name.replace('-', separator);
                if loud { name.to_ascii_uppercase() } else { name }
            });
    let other = select(vec![
        "Countersign-Assertion",
        "X-Forwarded-For",
        "X_Forwarded_For",
        "X-Forwarded-Uri",
        "X-Original-URL",
        "X-Real-IP",
        "Forwarded",
        "Accept",
    ])
    .prop_map(str::to_owned);
    prop_oneof![3 => own, 1 => other]
}

/// A field, once or repeated.
fn fields() -> impl Strategy<Value = Vec<String>> {
    let value = select(vec!["forged", "Forged, forged", "\tforged", "forged=\"1\""]);
    vec((name(), value, 1..3_usize), 0..5).prop_map(|fields| {
        fields.into_iter().flat_map(|(name, value, times)| vec![format!("{name}: {value}"); times]).collect()
    })
}

fn connection() -> impl Strategy<Value = Vec<String>> {
    let option = prop_oneof![
        select(IDENTITY.to_vec()),
        select(vec!["Authorization", "X-API-Key", "X-Forwarded-For", "Host", "TE", "keep-alive", ""]),
    ];
    vec(vec(option, 0..4).prop_map(|options| format!("Connection: {}", options.join(", "))), 0..3)
}

fn presented() -> impl Strategy<Value = Presented> {
    select(vec![
        Presented::Nowhere,
        Presented::Bearer,
        Presented::Bearer,
        Presented::Field,
        Presented::Twice,
        Presented::Alias,
    ])
}

impl Presented {
    fn fields(self, key: &str) -> Vec<String> {
        let bearer = format!("Authorization: Bearer {key}");
        match self {
            Self::Nowhere => vec![],
            Self::Bearer => vec![bearer],
            Self::Field => vec![format!("x-aPi-KEY:{key}")],
            Self::Twice => vec![bearer, format!("X-API-Key: {key}")],
            Self::Alias => vec![format!("X_API_Key: {key}")],
        }
    }
}

/// What the upstream may see of identity: nothing, or that of the key.
struct Expected {
    key: String,
    own: [String; 3],
}

impl Expected {
    fn check(&self, head: &str, sent: &str) {
        let lower = head.to_ascii_lowercase();
        assert!(!head.contains(&self.key), "the credential: {sent:?} became {head:?}");
        assert!(
            !lower.contains("authorization:") && !lower.contains("x-api-key:"),
            "{sent:?} became {head:?}"
        );
        let (line, fields) = lower.split_once("\r\n").unwrap();
        let mut identity = Vec::new();
        for field in fields.lines() {
            let folded = field
                .split(':')
                .next()
                .unwrap_or_default()
                .replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
            if folded.starts_with("countersign") {
                identity.push(field.to_owned());
            }
            let may_be_forged = folded == "accept";
            assert!(may_be_forged || !field.contains(FORGED), "{field}: {sent:?} became {head:?}");
        }
        identity.sort_unstable();
        let path = line.split([' ', '?']).nth(1).unwrap();
        self.check_path(path, &identity, head, sent);
    }

    /// Reads the path as the most literal upstream would, and asks who may see it.
    fn check_path(&self, path: &str, identity: &[String], head: &str, sent: &str) {
        let text = path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
        assert_eq!(text, path, "an encoded delimiter: {sent:?} became {head:?}");
        let is_dot = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
        assert!(
            !path.contains("//") && !path.contains('\\') && !path.contains('#'),
            "{sent:?} became {head:?}"
        );
        assert!(!path.split('/').any(is_dot), "{sent:?} became {head:?}");
        let exact = head.split(' ').nth(1).unwrap();
        let rest = exact.strip_prefix("/open");
        let is_open = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
        // A key is refused on the open route, and every other route asks for one.
        let owed: &[String] = if is_open { &[] } else { &self.own };
        assert_eq!(identity, owed, "not decided on: {sent:?} became {head:?}");
    }
}

#[test]
fn no_request_smuggles_identity_credential_or_path_to_the_upstream() {
    let world = World::new();
    // Without the route that hands the credential on, because its operator said so.
    world.replace_routes(routes().into_iter().filter(|route| !route.forward_credential).collect());
    let (record, key) = world.key(1);
    let own = [
        format!("countersign-credential: {}", record.id),
        "countersign-scope: orders:read".to_owned(),
        format!("countersign-subject: {}", record.owner),
    ]
    .map(|line| line.to_ascii_lowercase());
    let expected = Expected { key, own };
    let (passed, refused) = (Cell::new(0), Cell::new(0));
    let method = select(vec!["GET", "GET", "POST", "DELETE", "PROPFIND", "HEAD", "get", "TRACE"]);
    let requests = (method, target(), fields(), connection(), presented());
    let mut runner =
        TestRunner::new(ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() });
    let outcome = runner.run(&requests, |(method, target, fields, connection, presented)| {
        let all = [fields, connection, presented.fields(&expected.key)].concat().join("\r\n");
        let gap = if all.is_empty() { "" } else { "\r\n" };
        let sent = format!("{method} {target} HTTP/1.1\r\nHost: api.example.com\r\n{all}{gap}\r\n");
        let mut client = world.connect();
        client.send(&sent);
        client.read_head();
        let seen = std::mem::take(&mut *world.upstream.seen.lock().unwrap());
        assert!(seen.len() <= 1, "{sent:?} became {seen:?}");
        let counter = if seen.is_empty() { &refused } else { &passed };
        counter.set(counter.get() + 1);
        let relative = target.trim_start_matches("http://api.example.com");
        for head in &seen {
            expected.check(head, &sent);
            let decided =
                NormalPath::parse(relative).expect("what has no normal form is refused").to_target();
            assert_eq!(head.split(' ').nth(1), Some(&*decided), "{sent:?} became {head:?}");
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    // Neither side of the gate is tried by accident only.
    assert!(passed.get() > CASES / 10 && refused.get() > CASES / 10, "{passed:?} {refused:?}");
}
