//! What is issued for people: codes and refresh tokens, as tables.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_jose::{base64url, jws};
use serde_json::Value;

use super::{ORDERS, World};
use crate::authorization::{Authorize, Request, Said, SignedIn, addressed, check};
use crate::authorization_code;
use crate::client_terms::{AuthMethod, ClientTerms, GrantType};
use crate::grant::GrantError;
use crate::id::{CredentialId, OwnerKind};
use crate::issuance::Issuance;
use crate::ledger::{Find as _, Unavailable};
use crate::person_terms::Profile;
use crate::principal::Principal;
use crate::question::HolderOf;
use crate::record::{Membership, OwnerRecord, PersonRecord};
use crate::refreshing;
use crate::testing::{HOUR, NOW, at_once};
use crate::token::SESSION;

pub(super) const CALLBACK: &str = "https://app.example/cb";
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const ALL: &str = "openid orders:read settle offline_access";

/// A client that acts for people, and a person.
pub(super) struct People {
    pub(super) world: World,
    pub(super) client: Principal,
    pub(super) record: OwnerRecord,
    pub(super) person: OwnerRecord,
    terms: ClientTerms,
}

pub(super) fn terms() -> ClientTerms {
    ClientTerms {
        grants: [GrantType::AuthorizationCode].into(),
        scopes: "orders:read settle".parse().unwrap(),
        audiences: vec![ORDERS.parse().unwrap()],
        redirect_uris: vec![CALLBACK.parse().unwrap()],
        ..ClientTerms::default()
    }
}

/// What is stored of a person.
pub(super) fn kept(person: &OwnerRecord) -> PersonRecord {
    PersonRecord {
        id: person.id,
        username: "ana".parse().unwrap(),
        email: None,
        email_verified_at: None,
        password: None,
        password_at: None,
        version: 1,
        updated_at: NOW,
        profile: Profile::default(),
    }
}

fn challenge() -> String {
    base64url::encode(digest(&SHA256, VERIFIER.as_bytes()).as_ref())
}

impl People {
    pub(super) fn new(terms: ClientTerms) -> Self {
        let mut world = World::new();
        world.ground.store.tables().incarnation = 3;
        let (record, client) = world.ground.client(terms.clone());
        let organisation = world.ground.organisation.clone();
        let person = world.ground.member(OwnerKind::User, &organisation);
        let mut tables = world.ground.store.tables();
        tables.persons.insert(person.id, kept(&person));
        let roles = BTreeSet::from(["billing".to_owned()]).try_into().unwrap();
        let membership = Membership {
            person: person.id,
            organisation: organisation.id,
            roles,
            version: 1,
            created_at: NOW,
        };
        tables.memberships.insert((person.id, organisation.id), membership);
        drop(tables);
        Self { world, client, record, person, terms }
    }

    /// Lets the person allow `scope`; returns the code.
    pub(super) fn code(&mut self, scope: &str) -> String {
        let asked = [
            ("client_id", self.record.id.to_string()),
            ("redirect_uri", CALLBACK.to_owned()),
            ("response_type", "code".to_owned()),
            ("scope", scope.to_owned()),
            ("nonce", "n-0S6_WzA2Mj".to_owned()),
            ("code_challenge", challenge()),
            ("code_challenge_method", "S256".to_owned()),
        ];
        let request = Request::new(asked.map(|(name, value)| (name.to_owned(), value)));
        let ground = &mut self.world.ground;
        let holder = at_once(ground.store.find(HolderOf(Some(self.record.id)))).unwrap();
        let addressed = addressed(&request, holder).unwrap();
        let checked = check(&request, addressed, &self.world.resources).unwrap();
        let snapshot = ground.store.snapshot();
        let act = Authorize {
            said: Said::Yes(checked.scopes.clone()),
            checked: &checked,
            client: &snapshot.owner(self.record.id).unwrap(),
            incarnation: 3,
            client_hash: self.terms.consent_hash("app"),
        };
        let by = SignedIn {
            session: CredentialId::random(SESSION, &mut ground.entropy),
            person: snapshot.owner(self.person.id).unwrap(),
            auth_time: NOW,
            is_undated: false,
            amr: vec!["pwd".to_owned()],
        };
        ground.perform(&by, &act).unwrap().code.expose().clone()
    }

    pub(super) fn redeem(&mut self, code: &str, changes: &[(&str, &str)]) -> Result<Issuance, &'static str> {
        let mut asked = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        asked.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        asked.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        self.ask(&asked)
    }

    fn refresh(&mut self, token: &str, more: &[(&str, &str)]) -> Result<Issuance, &'static str> {
        let mut asked = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        asked.extend(more);
        self.ask(&asked)
    }

    fn ask(&mut self, asked: &[(&str, &str)]) -> Result<Issuance, &'static str> {
        let answer: Result<_, Unavailable> = self.world.ask(&self.client.clone(), asked);
        answer.unwrap().map_err(GrantError::code)
    }

    /// Tells whether an access token is good at the gateway.
    pub(super) fn calls(&mut self, issued: &Issuance) -> Result<(), &'static str> {
        let field = format!("Bearer {}", issued.token.expose());
        let gateway = crate::authenticators::GATEWAY;
        let presented = self.world.ground.present(gateway, &[("authorization", &field)]);
        presented.map(drop).map_err(|rejection| rejection.code())
    }

    fn reason(&self) -> String {
        let (committed, filed) = self.world.ground.store.lines();
        let last = filed.or(committed).unwrap();
        last.reason.unwrap_or_default().into_owned()
    }

    /// Counts what is kept of a kind.
    pub(super) fn kept(&self, kind: &str) -> usize {
        self.world.ground.store.tables().artifacts.iter().filter(|one| one.kind == kind).count()
    }
}

fn refresh_token(issued: &Issuance) -> String {
    issued.refresh_token.as_ref().unwrap().expose().clone()
}

#[test]
fn rfc6749_4_1_3_a_code_becomes_tokens_for_the_person_who_allowed_it() {
    let mut people = People::new(terms());
    let code = people.code(ALL);
    let issued = people.redeem(&code, &[]).unwrap();
    assert_eq!((issued.claims.client, issued.claims.subject), (people.record.id, people.person.id));
    assert_eq!(issued.claims.scopes.to_string(), "offline_access openid orders:read settle");
    assert_eq!(issued.claims.audience.as_ref(), ORDERS);
    assert_eq!(issued.claims.further["roles"], serde_json::json!(["billing"]), "RFC 9068 §2.2.3.1");
    assert_eq!(people.calls(&issued), Ok(()));
    let stored = format!("{:?}", people.world.ground.store.tables().artifacts);
    for secret in [&code, &refresh_token(&issued), issued.token.expose()] {
        assert!(!stored.contains(secret.as_str()), "SAFETY 25");
    }
    let id_token = issued.id_token.unwrap();
    let message = jws::Compact::parse(id_token.expose(), 8192).unwrap();
    assert!(message.header().is_typ("JWT"));
    let claims: Value =
        serde_json::from_slice(message.verify(people.world.pair.public()).unwrap().payload()).unwrap();
    assert_eq!(claims["aud"], people.record.id.to_string());
    assert_eq!(claims["sub"], people.person.id.to_string());
    assert_eq!(claims["nonce"], "n-0S6_WzA2Mj");
    assert_eq!(claims["auth_time"], NOW.millis() / 1000);
    assert_eq!(claims["amr"], serde_json::json!(["pwd"]));
    let password = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
    assert_eq!((&claims["acr"], &issued.claims.further["acr"]), (&password.into(), &password.into()));
    assert_eq!(issued.claims.further["auth_time"], NOW.millis() / 1000, "RFC 9068 §2.2.1");
    let hash = digest(&SHA256, issued.token.expose().as_bytes());
    assert_eq!(claims["at_hash"], base64url::encode(hash.as_ref().split_at(16).0));
}

#[test]
fn openid_core_3_1_3_3_and_11_what_was_not_asked_for_is_not_given() {
    for (scope, id_token, refresh) in [
        ("orders:read", false, false),
        ("openid", true, false),
        ("orders:read offline_access", false, true),
        (ALL, true, true),
    ] {
        let mut people = People::new(terms());
        let code = people.code(scope);
        let issued = people.redeem(&code, &[]).unwrap();
        assert_eq!(
            (issued.id_token.is_some(), issued.refresh_token.is_some()),
            (id_token, refresh),
            "{scope}"
        );
    }
    let grants: BTreeSet<_> = [GrantType::AuthorizationCode, GrantType::RefreshToken].into();
    let mut people = People::new(ClientTerms { grants, ..terms() });
    let code = people.code("orders:read");
    assert!(people.redeem(&code, &[]).unwrap().refresh_token.is_some(), "registered for it (RFC 7591 §2)");
}

#[test]
fn attacks_8_13_15_16_22_24_a_code_counts_for_one_client_one_redirect_one_verifier_and_once() {
    let (other, challenge) = ("x".repeat(43), challenge());
    for (changes, code, reason) in [
        (vec![("redirect_uri", "https://app.example/cb/")], "invalid_grant", "redirect_uri_mismatch"),
        (vec![("redirect_uri", "")], "invalid_request", ""),
        (vec![("code_verifier", "")], "invalid_grant", "code_verifier_missing"),
        (vec![("code_verifier", other.as_str())], "invalid_grant", "wrong_code_verifier"),
        (vec![("code_verifier", challenge.as_str())], "invalid_grant", "wrong_code_verifier"),
        (vec![("code_verifier", "short")], "invalid_request", ""),
        (vec![("scope", "orders:read admin")], "invalid_scope", "invalid_scope"),
        (vec![("resource", "https://evil.example")], "invalid_target", "invalid_target"),
    ] {
        let mut people = People::new(terms());
        let minted = people.code(ALL);
        assert_eq!(people.redeem(&minted, &changes).err(), Some(code), "{changes:?}");
        if reason.is_empty() {
            continue;
        }
        assert_eq!(people.reason(), reason, "{changes:?}");
        assert_eq!(people.redeem(&minted, &[]).err(), Some("invalid_grant"), "nobody tries twice");
    }
    let mut people = People::new(terms());
    let code = people.code(ALL);
    let (_, stranger) = people.world.ground.client(terms());
    let owner = std::mem::replace(&mut people.client, stranger);
    assert_eq!(people.redeem(&code, &[]).err(), Some("invalid_grant"));
    assert_eq!(people.reason(), "another_clients_code");
    people.client = owner;
    assert_eq!(people.redeem(&code, &[]).err(), Some("invalid_grant"), "it is burnt");
}

#[test]
fn attack_15_a_code_that_is_presented_again_ends_what_it_obtained() {
    let mut people = People::new(terms());
    let code = people.code(ALL);
    let issued = people.redeem(&code, &[]).unwrap();
    assert_eq!((people.calls(&issued), people.kept(refreshing::KIND)), (Ok(()), 1));
    assert_eq!(people.redeem(&code, &[]).err(), Some("invalid_grant"));
    assert_eq!(people.reason(), "code_reused");
    assert_eq!((people.calls(&issued), people.kept(refreshing::KIND)), (Err("revoked"), 0));
    assert_eq!(people.refresh(&refresh_token(&issued), &[]).err(), Some("invalid_grant"));
}

#[test]
fn attack_16_what_is_no_code_is_none() {
    let mut people = People::new(terms());
    let code = people.code(ALL);
    let issued = people.redeem(&code, &[]).unwrap();
    let refresh = refresh_token(&issued);
    let altered = code.replace("cs_code", "cs_access");
    let mut elsewhere = People::new(terms());
    let (_same, unknown) = (elsewhere.code(ALL), elsewhere.code(ALL));
    for text in ["x", refresh.as_str(), altered.as_str(), unknown.as_str(), issued.token.expose(), ""] {
        let refused = people.redeem(text, &[]).err();
        let expected = if text.is_empty() { "invalid_request" } else { "invalid_grant" };
        assert_eq!(refused, Some(expected), "{text}");
    }
    for text in [code.as_str(), "cs_refresh_", "x", issued.token.expose()] {
        assert_eq!(people.refresh(text, &[]).err(), Some("invalid_grant"), "{text}");
    }
    assert_eq!(people.calls(&issued), Ok(()), "no guess ends anything");
}

#[test]
fn rfc6749_4_1_2_a_code_is_good_for_a_minute() {
    for (late, expected) in [(59_999, None), (60_000, Some("invalid_grant"))] {
        let mut people = People::new(terms());
        let code = people.code(ALL);
        people.world.ground.now = NOW.plus(Duration::from_millis(late));
        assert_eq!(people.redeem(&code, &[]).err(), expected, "{late}");
    }
}

#[test]
fn rfc9700_4_14_2_each_refresh_token_counts_once_and_its_reuse_ends_the_family() {
    let mut people = People::new(ClientTerms { auth_method: AuthMethod::None, ..terms() });
    let code = people.code(ALL);
    let first = people.redeem(&code, &[]).unwrap();
    let second = people.refresh(&refresh_token(&first), &[]).unwrap();
    let third = people.refresh(&refresh_token(&second), &[]).unwrap();
    assert_eq!(people.kept(refreshing::KIND), 1, "one row, however often");
    assert_eq!((people.calls(&first), people.calls(&third)), (Ok(()), Ok(())));
    assert!(third.id_token.is_some(), "OpenID Connect Core 1.0 §12.2");
    assert_eq!(people.refresh(&refresh_token(&first), &[]).err(), Some("invalid_grant"));
    assert_eq!(people.reason(), "refresh_token_reused");
    for dead in [&first, &second, &third] {
        assert_eq!(people.calls(dead), Err("revoked"));
        assert_eq!(people.refresh(&refresh_token(dead), &[]).err(), Some("invalid_grant"));
    }
}

#[test]
fn safety_9_the_same_client_is_answered_the_same_for_a_while_and_a_public_one_never() {
    let retry = |terms: ClientTerms, late: Duration, meanwhile: bool| {
        let mut people = People::new(terms);
        let code = people.code(ALL);
        let first = refresh_token(&people.redeem(&code, &[]).unwrap());
        let answered = people.refresh(&first, &[]).unwrap();
        if meanwhile {
            people.refresh(&refresh_token(&answered), &[]).unwrap();
        }
        people.world.ground.now = NOW.plus(late);
        let again = people.refresh(&first, &[]);
        let same = again.as_ref().is_ok_and(|again| {
            again.token.expose() == answered.token.expose()
                && refresh_token(again) == refresh_token(&answered)
                && again.claims == answered.claims
        });
        assert_eq!(people.kept(refreshing::KIND), usize::from(again.is_ok()), "or it is dead");
        assert_eq!(people.calls(&answered).is_ok(), again.is_ok());
        (same, again.err())
    };
    let window = Duration::from_secs(30);
    let public = ClientTerms { auth_method: AuthMethod::None, ..terms() };
    assert_eq!(retry(terms(), Duration::ZERO, false), (true, None));
    assert_eq!(retry(terms(), window - Duration::from_millis(1), false), (true, None));
    assert_eq!(retry(terms(), window, false), (false, Some("invalid_grant")));
    assert_eq!(retry(terms(), Duration::ZERO, true), (false, Some("invalid_grant")), "it was received");
    assert_eq!(retry(public, Duration::ZERO, false), (false, Some("invalid_grant")));
}

#[test]
fn attack_27_another_clients_refresh_token_ends_the_family() {
    let mut people = People::new(terms());
    let code = people.code(ALL);
    let issued = people.redeem(&code, &[]).unwrap();
    let (_, stranger) = people.world.ground.client(terms());
    let owner = std::mem::replace(&mut people.client, stranger);
    assert_eq!(people.refresh(&refresh_token(&issued), &[]).err(), Some("invalid_grant"));
    people.client = owner;
    assert_eq!(people.calls(&issued), Err("revoked"));
}

#[test]
fn attack_29_a_refresh_widens_nothing() {
    for (asked, expected) in [
        (vec![], Ok("offline_access orders:read")),
        (vec![("scope", "orders:read")], Ok("orders:read")),
        (vec![("scope", "orders:read settle")], Err("invalid_scope")),
        (vec![("resource", ORDERS)], Ok("offline_access orders:read")),
        (vec![("resource", "https://opaque.example")], Err("invalid_target")),
    ] {
        let mut people = People::new(terms());
        let code = people.code("orders:read offline_access");
        let first = refresh_token(&people.redeem(&code, &[]).unwrap());
        let issued = people.refresh(&first, &asked);
        let told = issued.as_ref().map(|issued| issued.claims.scopes.to_string()).map_err(|error| *error);
        assert_eq!(told, expected.map(str::to_owned), "{asked:?}");
        // What is refused for what it asks for has not been used.
        let next = issued.map_or(first, |issued| refresh_token(&issued));
        let issued = people.refresh(&next, &[]).unwrap();
        assert_eq!(
            issued.claims.scopes.to_string(),
            "offline_access orders:read",
            "RFC 6749 §6: not narrowed"
        );
    }
}

#[test]
fn a_refresh_token_ends_by_itself_unused_and_for_ever() {
    let day = HOUR * 24;
    let mut people = People::new(ClientTerms { auth_method: AuthMethod::None, ..terms() });
    let code = people.code(ALL);
    let mut token = refresh_token(&people.redeem(&code, &[]).unwrap());
    for days in [29, 58, 87] {
        people.world.ground.now = NOW.plus(day * days);
        token = refresh_token(&people.refresh(&token, &[]).unwrap());
    }
    people.world.ground.now = NOW.plus(day * 90);
    assert_eq!(people.refresh(&token, &[]).err(), Some("invalid_grant"), "absolute");
    for (late, expected) in [(Duration::from_millis(1), None), (Duration::ZERO, Some("invalid_grant"))] {
        let mut people = People::new(terms());
        let code = people.code(ALL);
        let token = refresh_token(&people.redeem(&code, &[]).unwrap());
        people.world.ground.now = NOW.plus(day * 30 - late);
        assert_eq!(people.refresh(&token, &[]).err(), expected, "idle {late:?}");
    }
}

#[test]
fn attacks_45_and_26_who_was_locked_or_ended_gets_nothing_at_any_later_step() {
    type End = fn(&mut People);
    let ends: [(&str, End, &str); 6] = [
        ("the person is disabled", |people| people.world.ground.disable(&people.person), "person_disabled"),
        ("the person's generation", |people| people.raise(people.person.clone()), "ended_before"),
        ("the client's generation", |people| people.raise(people.record.clone()), "ended_before"),
        (
            "the tenant's generation",
            |people| people.raise(people.world.ground.organisation.clone()),
            "ended_before",
        ),
        (
            "the client may no longer",
            |people| people.register(ClientTerms { grants: BTreeSet::new(), ..terms() }),
            "unauthorized_client",
        ),
        (
            "the client lost the resource",
            |people| people.register(ClientTerms { audiences: Vec::new(), ..terms() }),
            "invalid_target",
        ),
    ];
    for (what, end, reason) in ends {
        // SAFETY 9: nor is what was answered a moment ago answered again.
        let mut people = People::new(terms());
        let code = people.code(ALL);
        let used = refresh_token(&people.redeem(&code, &[]).unwrap());
        people.refresh(&used, &[]).unwrap();
        assert!(people.refresh(&used, &[]).is_ok(), "{what}");
        end(&mut people);
        assert!(people.refresh(&used, &[]).is_err(), "{what}");
        assert_eq!(people.reason(), reason, "{what}");
        let mut people = People::new(terms());
        let (code, other) = (people.code(ALL), people.code(ALL));
        let token = refresh_token(&people.redeem(&code, &[]).unwrap());
        end(&mut people);
        assert!(people.redeem(&other, &[]).is_err(), "{what}");
        assert_eq!(people.reason(), reason, "{what}");
        assert!(people.refresh(&token, &[]).is_err(), "{what}");
        assert_eq!(people.reason(), reason, "{what}");
    }
}

#[test]
fn what_a_client_may_no_longer_have_is_left_out() {
    let mut people = People::new(terms());
    let code = people.code(ALL);
    let token = refresh_token(&people.redeem(&code, &[]).unwrap());
    people.register(ClientTerms { scopes: "settle".parse().unwrap(), ..terms() });
    let issued = people.refresh(&token, &[]).unwrap();
    assert_eq!(issued.claims.scopes.to_string(), "offline_access openid settle");
}

#[test]
fn of_two_that_redeem_at_once_one_is_answered_and_the_other_ends_it() {
    let mut people = People::new(ClientTerms { auth_method: AuthMethod::None, ..terms() });
    let code = people.code(ALL);
    let token = refresh_token(&people.redeem(&code, &[]).unwrap());
    // Another one commits between what is found and what is committed here.
    people.world.ground.store.meanwhile(|tables| {
        let family = tables.artifacts.iter_mut().find(|one| one.kind == refreshing::KIND).unwrap();
        family.version += 1;
        family.lookup = crate::secret::SecretHash::UNSET;
        family.payload = family.payload.replace("\"number\":0", "\"number\":1");
    });
    assert_eq!(people.refresh(&token, &[]).err(), Some("invalid_grant"));
    assert_eq!(people.kept(refreshing::KIND), 0, "never two lives");
    let code = people.code(ALL);
    people.world.ground.store.meanwhile(|tables| {
        let kept = |one: &&mut crate::record::ArtifactRecord| {
            one.kind == authorization_code::KIND && !one.payload.contains("used_at")
        };
        let code = tables.artifacts.iter_mut().find(kept).unwrap();
        code.version += 1;
        code.payload = code.payload.replacen('{', "{\"used_at\":\"2027-01-15T08:00:00Z\",", 1);
    });
    assert_eq!(people.redeem(&code, &[]).err(), Some("invalid_grant"));
    assert_eq!(people.reason(), "code_reused");
}

impl People {
    fn raise(&mut self, owner: OwnerRecord) {
        let raised = OwnerRecord { generation: owner.generation + 1, ..owner };
        self.world.ground.store.keep_owner(&raised);
        self.prove();
    }

    fn register(&mut self, terms: ClientTerms) {
        let record = OwnerRecord { client: Some(Box::new(terms)), ..self.record.clone() };
        self.world.ground.store.keep_owner(&record);
        self.prove();
    }

    /// Proves the client once more, as it is now.
    fn prove(&mut self) {
        let owner = self.world.ground.store.snapshot().owner(self.record.id).unwrap();
        let proof = crate::client_authentication::proof(&owner, self.terms.auth_method);
        self.client = Principal::assertion(proof);
    }
}
