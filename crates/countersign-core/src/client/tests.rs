//! Who registers, changes and rotates what, as tables.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::client::{AmendClient, Declare, Register, Registered, Rekey, RotateSecret, Undeclare};
use crate::client_terms::{AuthMethod, ClientTerms, GrantType};
use crate::decision::Permit;
use crate::id::{OwnerId, OwnerKind};
use crate::idempotency::Idempotency;
use crate::record::{OwnerRecord, ResourceRecord};
use crate::refusal::Refusal;
use crate::resource::{ClaimSource, NotAResource, Resource, SigningAlgorithm, TokenFormat};
use crate::tally::{Kept, Tally};
use crate::testing::{Caller, Ground, HOUR, NOW, scopes};

const API: &str = "https://api.example.com";
const OTHER: &str = "https://other.example.com";
const OPERATOR: &str = "operator clients:write";

/// The first organisation, and two resources; the first is the default.
fn ground() -> Ground {
    let ground = Ground::new();
    let mut resource = Resource::any(API.parse().unwrap(), SigningAlgorithm::Es256);
    resource.scopes =
        Some(["orders:read", "orders:write"].map(|one| (one.parse().unwrap(), "x".into())).into());
    resource.claims =
        BTreeMap::from([("role".to_owned(), ClaimSource::Metadata { metadata: "job".to_owned() })]);
    keep(&ground, resource);
    keep(&ground, Resource::any(OTHER.parse().unwrap(), SigningAlgorithm::Es256));
    ground
}

fn keep(ground: &Ground, resource: Resource) {
    let record = ResourceRecord { version: 1, created_at: NOW, resource };
    ground.store.tables().resources.insert(record.resource.id.clone(), record);
}

fn terms(scope: &str, audiences: &[&str]) -> ClientTerms {
    ClientTerms {
        grants: [GrantType::ClientCredentials].into(),
        scopes: scopes(scope),
        audiences: audiences.iter().map(|one| one.parse().unwrap()).collect(),
        ..ClientTerms::default()
    }
}

fn register(terms: ClientTerms) -> Register {
    Register { name: "billing".into(), organisation: None, terms, idempotency: None }
}

/// Changes nothing.
fn unchanged(id: OwnerId) -> AmendClient {
    AmendClient {
        id,
        name: None,
        grants: None,
        scopes: None,
        audiences: None,
        auth_method: None,
        token_format: None,
        jwks: None,
        jwks_uri: None,
        redirect_uris: None,
        post_logout_redirect_uris: None,
        origins: None,
        require_pkce: None,
        id_token_signed_response_alg: None,
        metadata: None,
    }
}

fn registered(ground: &mut Ground, terms: ClientTerms) -> Registered {
    let operator = ground.caller(OPERATOR, "*");
    ground.perform(&operator, &register(terms)).unwrap()
}

#[track_caller]
fn check(permit: &dyn Fn(&Ground) -> Permit, terms: &ClientTerms, expected: Result<bool, &str>) {
    let mut ground = ground();
    let permit = permit(&ground);
    let answer = ground.perform(&permit, &register(terms.clone()));
    let made = answer.as_ref().map(|made| made.secret.is_some()).map_err(Refusal::code);
    assert_eq!(made, expected, "{terms:?}");
    let Ok(Registered { client, secret }) = answer else { return };
    let tables = ground.store.tables();
    assert_eq!(tables.owners.get(&client.id), Some(&client));
    assert_eq!((client.id.kind(), client.client.as_deref()), (OwnerKind::Client, Some(terms)));
    let secrets: Vec<_> = tables.credentials.values().filter(|one| one.owner == client.id).collect();
    assert_eq!(secrets.len(), usize::from(secret.is_some()));
    let line = tables.committed.last().unwrap();
    assert_eq!((&*line.action, line.subject.clone()), ("client.create", Some(client.id.to_string())));
    assert_eq!(line.organisation, Some(client.organisation));
    if let Some(secret) = secret {
        assert!(secret.expose().starts_with("cs_secret_"));
        assert!(!format!("{line:?}").contains(secret.expose()), "SAFETY 25");
    }
}

#[test]
fn what_is_registered_of_a_client_fits_together() {
    let operator = |ground: &Ground| ground.caller(OPERATOR, "*");
    let check = |terms: ClientTerms, expected| check(&operator, &terms, expected);
    let jwks =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let code = [GrantType::AuthorizationCode];
    let redirect_uris = vec!["https://app.example/cb".parse().unwrap()];
    let mistaken = Err("invalid_client_metadata");
    check(terms("orders:read", &[API]), Ok(true));
    check(terms("orders:read", &[]), Ok(true));
    check(terms("", &[API, OTHER]), Ok(true));
    check(terms("settle orders:read", &[API, OTHER]), Ok(true));
    check(terms("settle", &[API]), Err("scope_not_taken"));
    check(terms("", &["https://unknown.example"]), Err("unknown_audience"));
    check(terms("", &[API, API]), mistaken);
    check(terms("", &(0..17).map(|_| API).collect::<Vec<_>>()), mistaken);
    check(ClientTerms::default(), mistaken);
    let with = |auth_method| ClientTerms { auth_method, ..terms("", &[]) };
    check(with(AuthMethod::ClientSecretBasic), Ok(true));
    check(with(AuthMethod::None), mistaken);
    check(with(AuthMethod::PrivateKeyJwt), mistaken);
    let keys = Some(jwks.parse().unwrap());
    check(ClientTerms { jwks: keys.clone(), ..with(AuthMethod::PrivateKeyJwt) }, Ok(false));
    check(ClientTerms { jwks: keys, ..with(AuthMethod::ClientSecret) }, mistaken);
    let jwks_uri = Some("https://app.example/jwks".parse().unwrap());
    check(ClientTerms { jwks_uri, ..with(AuthMethod::ClientSecret) }, mistaken);
    let public = ClientTerms { grants: code.into(), ..with(AuthMethod::None) };
    check(public.clone(), mistaken);
    let app = ClientTerms { redirect_uris: redirect_uris.clone(), ..public };
    check(app.clone(), Ok(false));
    check(ClientTerms { require_pkce: false, ..app.clone() }, mistaken);
    check(
        ClientTerms { require_pkce: false, auth_method: AuthMethod::ClientSecret, ..app.clone() },
        Ok(true),
    );
    let device = GrantType::DeviceCode;
    let lasting = |grants: &[GrantType]| ClientTerms {
        grants: grants.iter().copied().chain([GrantType::RefreshToken]).collect(),
        ..terms("", &[])
    };
    check(lasting(&[]), mistaken);
    check(lasting(&[GrantType::ClientCredentials]), mistaken);
    check(lasting(&[device]), Ok(true));
    check(ClientTerms { auth_method: AuthMethod::None, ..lasting(&[device]) }, Ok(false));
    check(ClientTerms { redirect_uris: redirect_uris.clone(), ..lasting(&code) }, Ok(true));
    check(ClientTerms { redirect_uris: redirect_uris.clone(), ..terms("", &[]) }, mistaken);
    let many = vec!["https://app.example".parse().unwrap(); 17];
    check(ClientTerms { origins: many, ..app.clone() }, mistaken);
    let many = redirect_uris.iter().cycle().take(17).cloned().collect();
    check(ClientTerms { post_logout_redirect_uris: many, ..app }, mistaken);
    let large = serde_json::from_value(serde_json::json!({ "x": "x".repeat(4096) })).unwrap();
    check(ClientTerms { metadata: large, ..terms("", &[]) }, mistaken);
}

#[test]
fn safety_13_nobody_registers_what_they_may_not_give() {
    let tenant = |grantable: &'static str| move |ground: &Ground| ground.caller("clients:write", grantable);
    let audience = Err("excess_audience");
    check(&tenant(""), &terms("", &[]), Ok(true));
    check(&tenant(""), &terms("orders:read", &[]), Err("excess_scope"));
    check(&tenant("orders:read"), &terms("orders:read", &[]), Ok(true));
    check(&tenant("orders:read"), &terms("orders:read", &[API]), audience);
    check(&tenant("orders:* audience:https://api.example.com"), &terms("orders:read", &[API]), Ok(true));
    check(&tenant("orders:* audience:https://api.example.com"), &terms("", &[API, OTHER]), audience);
    check(&tenant("*"), &terms("orders:read", &[API, OTHER]), Ok(true));
    let job = serde_json::from_str(r#"{"job":"admin"}"#).unwrap();
    let claiming = ClientTerms { metadata: job, ..terms("", &[API]) };
    check(&tenant("*"), &claiming, Err("excess_claim"));
    check(&|ground: &Ground| ground.caller(OPERATOR, "*"), &claiming, Ok(true));
}

#[test]
fn safety_13_nobody_registers_for_another_tenant() {
    let mut ground = ground();
    let (home, away) = (ground.organisation.clone(), ground.stranger());
    let client = ground.member(OwnerKind::Client, &home);
    for (who, held, within, expected) in [
        (&home, "", None, Some(&home)),
        (&away, "", None, None),
        (&away, "", Some(&away), Some(&away)),
        (&home, "", Some(&away), None),
        (&home, "operator", Some(&away), Some(&away)),
        (&client, "", Some(&home), None),
        (&home, "operator", Some(&client), None),
    ] {
        let permit = Caller::of(who).holding(held).granting("*").permit();
        let asked = Register { organisation: within.map(|one| one.id), ..register(terms("", &[])) };
        let made = ground.perform(&permit, &asked).map(|made| made.client.organisation);
        assert_eq!(made, expected.map(|one| one.id).ok_or(Refusal::OwnerNotFound), "{who:?} {held}");
    }
    ground.disable(&home);
    let refused = ground.perform(&ground.caller(OPERATOR, "*"), &register(terms("", &[])));
    assert_eq!(refused.map(drop), Err(Refusal::OwnerDisabled));
}

#[test]
fn a_tenant_registers_up_to_its_caps() {
    for (tally, expected) in [
        (Tally { credentials: 0, members: 2 }, Ok(())),
        (Tally { credentials: 0, members: 3 }, Err(Refusal::Full(Kept::Members, 3))),
        (Tally { credentials: 3, members: 0 }, Err(Refusal::Full(Kept::Credentials, 3))),
    ] {
        let mut ground = ground();
        (ground.policy.tenant_max_owners, ground.policy.tenant_max_keys) = (3, 3);
        ground.store.tables().others = tally;
        let permit = ground.caller("clients:write", "");
        assert_eq!(ground.perform(&permit, &register(terms("", &[]))).map(drop), expected, "{tally:?}");
    }
}

#[test]
fn safety_9_a_repeated_registration_makes_nothing_and_shows_no_secret() {
    let mut ground = ground();
    let operator = ground.caller(OPERATOR, "*");
    let key = |fingerprint: &str| {
        let idempotency = Idempotency { key: "k".into(), fingerprint: fingerprint.into() };
        Register { idempotency: Some(idempotency), ..register(terms("", &[])) }
    };
    let first = ground.perform(&operator, &key("f")).unwrap();
    let again = ground.perform(&operator, &key("f")).unwrap();
    assert_eq!((again.client.id, again.secret.is_none()), (first.client.id, true));
    let other = ground.perform(&operator, &key("g"));
    assert_eq!(other.map(drop), Err(Refusal::IdempotencyMismatch));
    assert_eq!(ground.store.tables().credentials.len(), 1);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn safety_13_a_change_is_judged_by_what_the_client_would_be() {
    let (none, granted) = ("", "orders:read audience:https://api.example.com");
    let change = |change: fn(&mut AmendClient)| change;
    for (what, grantable, act, expected) in [
        ("a name", none, change(|act| act.name = Some("invoices".into())), Ok(())),
        ("nothing", none, change(|_| ()), Ok(())),
        ("opaque tokens", none, change(|act| act.token_format = Some(TokenFormat::Opaque)), Ok(())),
        ("fewer scopes", none, change(|act| act.scopes = Some(scopes(""))), Ok(())),
        (
            "more scopes",
            granted,
            change(|act| act.scopes = Some(scopes("orders:read orders:write"))),
            Err("excess_scope"),
        ),
        (
            "another resource",
            granted,
            change(|act| act.audiences = Some(vec![OTHER.parse().unwrap()])),
            Err("excess_audience"),
        ),
        ("the default resource", none, change(|act| act.audiences = Some(vec![])), Err("excess_scope")),
        (
            "a method",
            none,
            change(|act| act.auth_method = Some(AuthMethod::ClientSecretPost)),
            Err("excess_scope"),
        ),
        ("a method", granted, change(|act| act.auth_method = Some(AuthMethod::ClientSecretPost)), Ok(())),
        (
            "metadata",
            granted,
            change(|act| act.metadata = serde_json::from_str(r#"{"team":"x"}"#).ok()),
            Ok(()),
        ),
        (
            "a claim",
            granted,
            change(|act| act.metadata = serde_json::from_str(r#"{"job":"x"}"#).ok()),
            Err("excess_claim"),
        ),
        (
            "a redirect URI",
            none,
            change(|act| {
                act.grants = Some([GrantType::ClientCredentials, GrantType::AuthorizationCode].into());
                act.redirect_uris = Some(vec!["https://evil.test/cb".parse().unwrap()]);
            }),
            Err("excess_scope"),
        ),
        (
            "scripts",
            none,
            change(|act| act.origins = Some(vec!["https://app.example".parse().unwrap()])),
            Err("excess_scope"),
        ),
        ("no PKCE", none, change(|act| act.require_pkce = Some(false)), Err("excess_scope")),
        (
            "ID tokens",
            none,
            change(|act| act.id_token_signed_response_alg = Some(SigningAlgorithm::EdDsa)),
            Ok(()),
        ),
        ("a bad name", granted, change(|act| act.name = Some(String::new())), Err("invalid_name")),
        (
            "public",
            granted,
            change(|act| act.auth_method = Some(AuthMethod::None)),
            Err("invalid_client_metadata"),
        ),
    ] {
        let mut ground = ground();
        let client = registered(&mut ground, terms("orders:read", &[API])).client;
        let mut asked = unchanged(client.id);
        act(&mut asked);
        let permit = ground.caller("clients:write", grantable);
        let answer = ground.perform(&permit, &asked);
        let code = answer.as_ref().map(|_| ()).map_err(Refusal::code);
        assert_eq!(code, expected, "{what} {grantable}");
        let Ok(next) = answer else { continue };
        assert_eq!(next.version, client.version + 1);
        assert_eq!(ground.store.tables().owners.get(&client.id), Some(&next));
        let line = ground.store.lines().0.unwrap();
        assert_eq!((&*line.action, line.organisation), ("client.update", Some(client.organisation)));
    }
}

#[test]
fn safety_13_a_client_of_another_tenant_or_no_client_at_all_is_not_found() {
    let mut ground = ground();
    let home = ground.organisation.clone();
    let away = ground.stranger();
    let plain = ground.member(OwnerKind::Client, &home);
    let client = registered(&mut ground, terms("", &[])).client;
    for (who, id, may) in [
        (&home, client.id, true),
        (&away, client.id, false),
        (&home, plain.id, false),
        (&home, home.id, false),
    ] {
        let permit = Caller::of(who).holding("clients:write").granting("*").permit();
        let expected = if may { Ok(()) } else { Err(Refusal::ClientNotFound) };
        assert_eq!(ground.perform(&permit, &unchanged(id)).map(drop), expected);
        let rotate = RotateSecret { id, overlap: None };
        assert_eq!(ground.perform(&permit, &rotate).map(drop), expected);
    }
}

#[test]
fn a_rotated_secret_works_for_the_overlap_and_never_longer_than_before() {
    let mut ground = ground();
    let operator = ground.caller(OPERATOR, "*");
    let client = registered(&mut ground, terms("", &[])).client;
    let rotate = |overlap| RotateSecret { id: client.id, overlap };
    let secrets = |ground: &Ground| -> Vec<_> {
        ground.store.tables().credentials.values().filter(|one| one.owner == client.id).cloned().collect()
    };
    let first = secrets(&ground).remove(0);
    let rotated = ground.perform(&operator, &rotate(Some(HOUR))).unwrap();
    assert!(rotated.secret.unwrap().expose().starts_with("cs_secret_"));
    let old = ground.store.stored(first.id).unwrap();
    assert_eq!((old.expires_at, old.revoked_at), (Some(NOW.plus(HOUR)), None));
    assert_eq!(old.terms.replaced_by, Some(rotated.record.id));
    assert_eq!(ground.store.stored(rotated.record.id).unwrap().expires_at, None);
    ground.perform(&operator, &rotate(Some(2 * HOUR))).unwrap();
    assert_eq!(
        ground.store.stored(first.id).unwrap().expires_at,
        Some(NOW.plus(HOUR)),
        "no life is extended"
    );
    assert_eq!(ground.store.stored(first.id).unwrap().terms.replaced_by, Some(rotated.record.id));
    ground.perform(&operator, &rotate(None)).unwrap();
    assert_eq!(secrets(&ground).len(), 4);
    let full = ground.perform(&operator, &rotate(None));
    assert_eq!(full.map(drop), Err(Refusal::TooManySecrets));
    let last = ground.perform(&operator, &rotate(Some(Duration::ZERO))).unwrap();
    let live: Vec<_> = secrets(&ground).into_iter().filter(|one| one.revoked_at.is_none()).collect();
    assert_eq!(
        live.iter().map(|one| one.id).collect::<Vec<_>>(),
        [last.record.id],
        "an emergency ends the others"
    );
    let line = ground.store.lines().0.unwrap();
    assert_eq!((&*line.action, line.subject), ("client_secret.rotate", Some(client.id.to_string())));
}

#[test]
fn safety_13_who_rotates_has_to_be_able_to_give_all_that_the_client_may() {
    for (grantable, expected) in [
        ("", Err("excess_scope")),
        ("orders:*", Err("excess_audience")),
        ("orders:* audience:https://api.example.com", Ok(())),
    ] {
        let mut ground = ground();
        let client = registered(&mut ground, terms("orders:read", &[API])).client;
        let permit = ground.caller("clients:write", grantable);
        let rotated = ground.perform(&permit, &RotateSecret { id: client.id, overlap: None });
        assert_eq!(rotated.map(drop).map_err(|refusal| refusal.code()), expected, "{grantable}");
    }
    let mut ground = ground();
    let operator = ground.caller(OPERATOR, "*");
    let client = registered(&mut ground, terms("", &[])).client;
    let rotate = RotateSecret { id: client.id, overlap: None };
    ground.disable(&client);
    assert_eq!(ground.perform(&operator, &rotate).map(drop), Err(Refusal::OwnerDisabled));
    let public = ClientTerms { auth_method: AuthMethod::None, ..terms("", &[]) };
    ground.store.keep_owner(&OwnerRecord { client: Some(Box::new(public)), ..client });
    assert_eq!(ground.perform(&operator, &rotate).map(drop), Err(Refusal::NoSecret("none")));
}

#[test]
fn of_two_rotations_at_once_the_second_sees_what_the_first_has_minted() {
    let mut ground = ground();
    let operator = ground.caller(OPERATOR, "*");
    let client = registered(&mut ground, terms("", &[])).client;
    ground.store.meanwhile(move |tables| {
        tables.owners.get_mut(&client.id).unwrap().version += 1;
    });
    let asked = ground.store.tables().asked;
    ground.perform(&operator, &RotateSecret { id: client.id, overlap: None }).unwrap();
    assert_eq!(ground.store.tables().asked, asked + 2, "it was decided again");
}

#[test]
fn an_operator_declares_resources_and_each_once() {
    let mut ground = Ground::new();
    let resource = Resource::any(API.parse().unwrap(), SigningAlgorithm::Rs256);
    let declare = Declare { resource: resource.clone() };
    let tenant = ground.caller("clients:write", "*");
    assert_eq!(ground.perform(&tenant, &declare).map(drop), Err(Refusal::OperatorsAlone));
    let operator = ground.caller("operator", "");
    let record = ground.perform(&operator, &declare).unwrap();
    assert_eq!((&record.resource, record.version, record.created_at), (&resource, 1, NOW));
    assert_eq!(ground.store.tables().resources.get(&resource.id), Some(&record));
    let line = ground.store.lines().0.unwrap();
    assert_eq!((&*line.action, line.subject.as_deref()), ("resource.create", Some(API)));
    assert_eq!(ground.perform(&operator, &declare).map(drop), Err(Refusal::ResourceExists));
    ground.store.tables().resources.clear();
    ground.store.tables().declared.push(resource.id);
    assert_eq!(ground.perform(&operator, &declare).map(drop), Err(Refusal::ResourceExists), "in the file");
}

#[test]
fn a_stored_resource_goes_when_nobody_is_registered_for_it() {
    let mut ground = ground();
    let undeclare = |id: &str| Undeclare { id: id.parse().unwrap() };
    let operator = ground.caller(OPERATOR, "*");
    let client = registered(&mut ground, terms("orders:read", &[API, OTHER])).client;
    let tenant = ground.caller("clients:write", "*");
    ground.store.tables().declared.push("https://file.example".parse().unwrap());
    for (permit, id, expected) in [
        (&tenant, API, Refusal::OperatorsAlone),
        (&operator, API, Refusal::ResourceInUse(client.id, 1)),
        (&operator, "https://file.example", Refusal::ResourceOfSettings),
        (&operator, "https://unknown.example", Refusal::ResourceNotFound),
    ] {
        assert_eq!(ground.perform(permit, &undeclare(id)).map(drop), Err(expected.clone()), "{id}");
        let line = ground.store.lines().1.unwrap();
        assert_eq!((&*line.action, line.reason.as_deref()), ("resource.delete", Some(expected.code())));
    }
    let narrowed = AmendClient { audiences: Some(vec![OTHER.parse().unwrap()]), ..unchanged(client.id) };
    ground.perform(&operator, &AmendClient { scopes: Some(scopes("")), ..narrowed }).unwrap();
    let removed = ground.perform(&operator, &undeclare(API)).unwrap();
    assert_eq!(removed.resource.id.as_str(), API);
    assert!(!ground.store.tables().resources.contains_key(&removed.resource.id));
    let line = ground.store.lines().0.unwrap();
    assert_eq!((&*line.action, line.subject.as_deref()), ("resource.delete", Some(API)));
    assert_eq!(ground.perform(&operator, &undeclare(API)).map(drop), Err(Refusal::ResourceNotFound));
}

#[test]
fn safety_17_what_is_taken_from_a_client_is_taken_from_its_tokens() {
    type Change = fn(AmendClient) -> AmendClient;
    let rows: [(Change, i64); 8] = [
        (|same| same, 0),
        (|same| AmendClient { name: Some("other".into()), ..same }, 0),
        (|same| AmendClient { scopes: Some(scopes("orders:read orders:write")), ..same }, 0),
        (|same| AmendClient { scopes: Some(scopes("")), ..same }, 1),
        (|same| AmendClient { audiences: Some(vec![API.parse().unwrap()]), ..same }, 1),
        (|same| AmendClient { audiences: Some(Vec::new()), ..same }, 1),
        (|same| AmendClient { grants: Some([GrantType::AuthorizationCode].into()), ..same }, 1),
        (|same| AmendClient { metadata: Some(serde_json::Map::new()), ..same }, 0),
    ];
    for (row, (change, raised)) in rows.into_iter().enumerate() {
        let mut ground = ground();
        let operator = ground.caller(OPERATOR, "*");
        let redirect_uris = vec!["https://app.example/cb".parse().unwrap()];
        let grants = [GrantType::ClientCredentials, GrantType::AuthorizationCode].into();
        let all = ClientTerms { grants, redirect_uris, ..terms("orders:read", &[API, OTHER]) };
        let client = registered(&mut ground, all).client;
        let next = ground.perform(&operator, &change(unchanged(client.id))).unwrap();
        assert_eq!(next.generation - client.generation, raised, "row {row}");
        assert_eq!(next.name == "other", row == 1, "row {row}: {}", next.name);
    }
}

#[test]
fn a_rotation_forgets_the_secrets_that_have_ended_and_they_leave_their_room() {
    let mut ground = ground();
    let operator = ground.caller(OPERATOR, "*");
    let client = registered(&mut ground, terms("", &[])).client;
    let secrets = |ground: &Ground| {
        ground.store.tables().credentials.values().filter(|one| one.owner == client.id).count()
    };
    let rotate = |overlap| RotateSecret { id: client.id, overlap: Some(overlap) };
    ground.perform(&operator, &rotate(HOUR)).unwrap();
    ground.now = NOW.plus(HOUR);
    // The first has ended by itself, the second is revoked by this.
    ground.perform(&operator, &rotate(Duration::ZERO)).unwrap();
    assert_eq!(secrets(&ground), 2);
    let tenant = ground.caller("clients:write", "*");
    ground.policy.tenant_max_keys = u64::try_from(ground.store.tables().credentials.len()).unwrap();
    ground.perform(&tenant, &rotate(HOUR)).unwrap();
    assert_eq!(secrets(&ground), 2, "what has ended makes room");
    let full = ground.perform(&tenant, &rotate(HOUR));
    assert_eq!(full.map(drop), Err(Refusal::Full(Kept::Credentials, ground.policy.tenant_max_keys)));
}

#[test]
fn an_operator_replaces_the_key_that_tokens_are_encrypted_for() {
    let mut ground = ground();
    let key = serde_json::json!({ "keys": [{ "kty": "OKP", "crv": "X25519", "use": "enc",
        "x": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo" }] });
    let jwks: crate::resource_jwks::ResourceJwks = serde_json::from_value(key).unwrap();
    let rekey = |id: &str, jwks| Rekey { id: id.parse().unwrap(), jwks };
    let mine = rekey(API, Some(jwks));
    let tenant = ground.caller("clients:write", "*");
    assert_eq!(ground.perform(&tenant, &mine).map(drop), Err(Refusal::OperatorsAlone));
    let operator = ground.caller("operator", "");
    let before = ground.store.tables().resources.get(&mine.id).unwrap().clone();
    let record = ground.perform(&operator, &mine).unwrap();
    assert_eq!((&record.resource.jwks, record.version), (&mine.jwks, before.version + 1));
    assert_eq!(record.resource.clone().encrypted_for(None), Ok(before.resource));
    let line = ground.store.lines().0.unwrap();
    assert_eq!((&*line.action, line.subject.as_deref()), ("resource.update", Some(API)));
    assert_eq!(ground.perform(&operator, &rekey(API, None)).unwrap().resource.jwks, None);
    let unknown = rekey("urn:none", None);
    let refused = ground.perform(&operator, &unknown).map(drop);
    assert_eq!(refused, Err(Refusal::ResourceNotFound));
    ground.store.tables().resources.get_mut(&mine.id).unwrap().resource.format = Some(TokenFormat::Opaque);
    assert_eq!(ground.perform(&operator, &mine).map(drop), Err(Refusal::Resource(NotAResource::Encryption)));
    ground.store.tables().declared.push(mine.id.clone());
    assert_eq!(ground.perform(&operator, &mine).map(drop), Err(Refusal::ResourceOfSettings));
}
