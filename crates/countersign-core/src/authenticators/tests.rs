//! What is recognised, as tables.

use countersign_jose::base64url;
use proptest::prelude::{any, proptest};

use crate::access_token;
use crate::api_key;
use crate::authenticators::{GATEWAY, MANAGEMENT, everybody};
use crate::carried::{Carried, DeclaredSets, NoSets};
use crate::context::SeededEntropy;
use crate::decision::{Agreement, Condition, Requirement};
use crate::environment::Environment::Live;
use crate::foreign_token;
use crate::imported_set::Source;
use crate::key_string::KeyString;
use crate::management_key;
use crate::presentation::{kinds_of, recognise, recognise_told, recognises};
use crate::rejection::Rejection;
use crate::scheme::Scheme;
use crate::testing::{asking_for_key, head, headers, scopes};
use crate::web_session;

fn key(prefix: &str) -> String {
    KeyString::mint(&prefix.parse().unwrap(), &mut SeededEntropy::new(1)).into_secret().expose().clone()
}

/// Of the keys that begin with `acme_` or as some tokens do; and routes take the tokens of an issuer.
struct Acme;

impl DeclaredSets for Acme {
    fn claims(&self, source: Source<'_>, text: &str) -> bool {
        source != Source::Header("x-other-key") && (text.starts_with("acme_") || text.starts_with("eyJraWQ"))
    }

    fn takes_tokens_of(&self, issuer: &str) -> bool {
        issuer == "https://login.example.com"
    }

    fn is_issuer(&self, _: &str) -> bool {
        false
    }
}

#[track_caller]
fn check(fields: &[(&str, &str)], requirement: &Requirement, expected: Result<&[Scheme], Rejection>) {
    let headers = headers(fields);
    let found = recognise(GATEWAY, &head(&headers), requirement);
    let found = found.map(|one| one.members().map(|member| member.scheme()).collect::<Vec<_>>());
    assert_eq!(found.as_deref().map_err(|rejection| *rejection), expected, "{fields:?}");
}

fn a_key() -> Requirement {
    Requirement::Any(vec![asking_for_key(None, Live)])
}

#[test]
fn rfc6750_2_one_credential_by_one_method() {
    let api = key("cs_live");
    let bearer = format!("Bearer {api}");
    let one: &[Scheme] = &[api_key::SCHEME];
    check(&[], &a_key(), Ok(&[]));
    check(&[("authorization", &bearer)], &a_key(), Ok(one));
    check(&[("authorization", &format!("bEaReR   {api}"))], &a_key(), Ok(one));
    check(&[("x-api-key", &api)], &a_key(), Ok(one));
    let ambiguous = |fields: &[(&str, &str)]| check(fields, &a_key(), Err(Rejection::AMBIGUOUS));
    ambiguous(&[("authorization", &bearer), ("authorization", &bearer)]);
    ambiguous(&[("x-api-key", &api), ("x-api-key", &api)]);
    ambiguous(&[("authorization", &bearer), ("x-api-key", &api)]);
    ambiguous(&[("authorization", &format!("{bearer}, {bearer}"))]);
    ambiguous(&[("authorization", &format!("{bearer} {api}"))]);
}

#[test]
fn what_no_row_knows_is_refused_not_ignored() {
    let management = format!("Bearer {}", key("cs_mgmt"));
    let anonymous = Requirement::Any(vec![Condition::anonymous()]);
    for value in
        ["Basic YTpi", "Bearer", "Bearer ", "bearer\tx", &management, "Bearer é", "DPoP a", "Bearer a.b.c"]
    {
        for requirement in [&a_key(), &anonymous] {
            check(&[("authorization", value)], requirement, Err(Rejection::UNRECOGNISED));
        }
    }
}

#[test]
fn safety_6_a_kind_that_is_not_asked_for_is_refused_not_ignored() {
    let api = key("cs_live");
    let other = management_key::required(scopes(""));
    for requirement in [
        Requirement::Any(vec![Condition::anonymous()]),
        Requirement::Any(vec![other.clone()]),
        Requirement::All(vec![other], Agreement::Owner),
    ] {
        check(&[("x-api-key", &api)], &requirement, Err(Rejection::NOT_ACCEPTED));
    }
}

#[test]
fn all_asks_for_every_member_before_any_is_looked_at() {
    let api = key("cs_live");
    let both = vec![asking_for_key(None, Live), management_key::required(scopes(""))];
    check(&[("x-api-key", &api)], &Requirement::All(both, Agreement::Owner), Ok(&[]));
    let one = vec![asking_for_key(None, Live)];
    check(&[("x-api-key", &api)], &Requirement::All(one, Agreement::Owner), Ok(&[api_key::SCHEME]));
}

#[test]
fn an_imported_key_is_one_that_a_set_claims() {
    let api = key("cs_live");
    let told = |text: &str, sets: &dyn DeclaredSets| match recognise_told(GATEWAY, text, sets) {
        None => "nothing",
        Some(Ok(_)) => "something",
        Some(Err(rejection)) => rejection.code(),
    };
    let long = format!("acme_{}", "a".repeat(600));
    for (text, unclaimed, claimed) in [
        (api.as_str(), "something", "something"),
        ("acme_1", "malformed", "something"),
        ("acme_ 1", "malformed", "malformed"),
        (&long, "malformed", "malformed"),
        ("other_1", "malformed", "malformed"),
        ("cs_live_short", "malformed", "malformed"),
        ("cs_other_1", "nothing", "nothing"),
        ("a.b.c", "nothing", "nothing"),
    ] {
        assert_eq!((told(text, &NoSets), told(text, &Acme)), (unclaimed, claimed), "{text}");
    }
}

#[test]
fn a_register_knows_its_kinds() {
    assert_eq!(
        kinds_of(GATEWAY).collect::<Vec<_>>(),
        [&api_key::KIND, &access_token::KIND, &foreign_token::KIND, &web_session::KIND]
    );
    assert!(recognises(GATEWAY, api_key::SCHEME) && !recognises(GATEWAY, management_key::SCHEME));
    assert!(recognises(MANAGEMENT, management_key::SCHEME) && !recognises(MANAGEMENT, Scheme::ANONYMOUS));
}

proptest! {
    #[test]
    fn at_most_one_row_recognises_any_value(text in "[ -~]{0,90}", seed in any::<u64>(), claimed in any::<bool>()) {
        let minted = |prefix: &str| {
            KeyString::mint(&prefix.parse().unwrap(), &mut SeededEntropy::new(seed)).into_secret().expose().clone()
        };
        let sets: &dyn DeclaredSets = if claimed { &Acme } else { &NoSets };
        let token = |header: &str, issuer: &str| {
            let claims = format!(r#"{{"iss":"{issuer}"}}"#);
            [header, &claims, "signature"].map(|part| base64url::encode(part.as_bytes())).join(".")
        };
        let [foreign, claimed_too, unknown] = [
            token(r#"{"alg":"ES256"}"#, "https://login.example.com"),
            token(r#"{"kid":"1","alg":"ES256"}"#, "https://login.example.com"),
            token(r#"{"alg":"ES256"}"#, "https://evil.example"),
        ];
        let keys = [format!("acme_{text}"), text, minted("cs_live"), minted("cs_mgmt"), minted("acme")];
        for text in keys.into_iter().chain([foreign, claimed_too, unknown]) {
            for carried in every_way(&text) {
                let rows = everybody().filter(|row| row.recognise(carried, sets).is_some()).count();
                assert!(rows <= 1, "{text} {carried:?}");
            }
        }
    }
}

/// `text`, carried in every way that carries a text.
fn every_way(text: &str) -> [Carried<'_>; 9] {
    [
        Carried::Basic(text),
        Carried::Bearer(text),
        Carried::Cookie { name: "session", value: text },
        Carried::Dpop { token: text, proof: text },
        Carried::KeyField { field: "x-api-key", text },
        Carried::KeyField { field: "x-other-key", text },
        Carried::Session(text),
        Carried::Signature { id: text, signatures: text },
        Carried::Told(text),
    ]
}
