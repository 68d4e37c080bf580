//! Whom an answer of a provider proves, whose an identity is and becomes, as tables.

use std::sync::Arc;
use std::time::Duration;

use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::base64url;
use countersign_jose::jwk::SigningKey;
use countersign_jose::jws;
use serde_json::{Value, json};

use super::{
    Expected, Freshness, GithubUser, IdToken, IdentityProvider, Join, LinkIdentity, NotJoined, NotLinked,
    ProvenIdentity, Unfit, UnlinkIdentity, recognise,
};
use crate::exchange::System;
use crate::id::OwnerId;
use crate::ledger::Find as _;
use crate::owner::SwitchOwner;
use crate::person::{DeletePerson, Enrol, ResetPerson, Vouched};
use crate::person_terms::{Profile, Roles};
use crate::record::IdentityName;
use crate::scheme::Scheme;
use crate::seen_browser::SeenBrowser;
use crate::sign_in::{Proof, SessionEnd, SignIn};
use crate::switching::Switch;
use crate::testing::{Caller, Ground, NOW, at_once};

const OPERATOR: &str = "operator users:write owners:write";
const ISSUER: &str = "https://idp.example";
const NONCE: &str = "n-0S6_WzA2Mj";

fn provider() -> IdentityProvider {
    IdentityProvider {
        name: "corp".parse().unwrap(),
        issuer: ISSUER.to_owned(),
        client_id: "countersign".to_owned(),
        trust_email: false,
        create_people: false,
    }
}

/// A provider that is believed.
fn trusted() -> IdentityProvider {
    IdentityProvider { trust_email: true, create_people: true, ..provider() }
}

fn seconds() -> i64 {
    NOW.millis() / 1000
}

/// What a good ID token says, with changes: null takes a claim away.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": "248289761001", "aud": "countersign", "nonce": NONCE,
        "iat": seconds(), "exp": seconds() + 300,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// Judges what a provider has signed.
fn judged(provider: IdentityProvider, typ: &str, changes: &Value) -> Result<ProvenIdentity, Unfit> {
    let key = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
    let text = jws::sign(&key, typ, claims(changes).to_string().as_bytes()).unwrap();
    verified(provider, &text, &key)
}

fn verified(provider: IdentityProvider, text: &str, key: &SigningKey) -> Result<ProvenIdentity, Unfit> {
    let token = IdToken::parse(text, &[SignatureAlgorithm::Es256])?;
    token.verify(NOW, key.public(), &Expected { provider: &Arc::new(provider), nonce: NONCE })
}

fn proven(provider: IdentityProvider, changes: &Value) -> ProvenIdentity {
    judged(provider, "JWT", changes).unwrap()
}

#[test]
fn oidc_core_3_1_3_7_an_id_token_is_the_providers_for_us_for_this_attempt_and_now() {
    let now = seconds();
    for (changes, expected) in [
        (json!({}), None),
        (json!({ "iss": "https://idp.example/" }), Some(Unfit::Issuer)),
        (json!({ "iss": "https://evil.example" }), Some(Unfit::Issuer)),
        (json!({ "iss": null }), Some(Unfit::Issuer)),
        (json!({ "aud": "another" }), Some(Unfit::Audience)),
        (json!({ "aud": [] }), Some(Unfit::Audience)),
        (json!({ "aud": null }), Some(Unfit::Audience)),
        (json!({ "aud": ["countersign"] }), None),
        (json!({ "aud": ["countersign", "another"] }), Some(Unfit::Audience)),
        (json!({ "aud": ["countersign", "another"], "azp": "countersign" }), None),
        (json!({ "aud": ["countersign", "another"], "azp": "another" }), Some(Unfit::Audience)),
        (json!({ "azp": "another" }), Some(Unfit::Audience)),
        (json!({ "azp": 1 }), Some(Unfit::Audience)),
        (json!({ "azp": "countersign" }), None),
        (json!({ "nonce": null }), Some(Unfit::Nonce)),
        (json!({ "nonce": "another" }), Some(Unfit::Nonce)),
        (json!({ "nonce": [NONCE] }), Some(Unfit::Nonce)),
        (json!({ "exp": now - 61 }), Some(Unfit::Expired)),
        (json!({ "exp": now - 59 }), None),
        (json!({ "iat": now + 61 }), Some(Unfit::NotYetValid)),
        (json!({ "iat": now + 59 }), None),
        (json!({ "nbf": now + 61 }), Some(Unfit::NotYetValid)),
    ] {
        assert_eq!(judged(provider(), "JWT", &changes).err(), expected, "{changes}");
    }
    for changes in [
        json!({ "exp": null }),
        json!({ "iat": null }),
        json!({ "exp": "never" }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": 7 }),
        json!({ "sub": "x".repeat(256) }),
        json!({ "sub": "a\nb" }),
        json!({ "auth_time": "lately" }),
    ] {
        let found = judged(provider(), "JWT", &changes).unwrap_err();
        assert!(matches!(found, Unfit::Form(_)), "{changes}: {found:?}");
    }
}

#[test]
fn rfc8725_3_a_token_of_another_type_algorithm_or_key_is_none() {
    for (typ, expected) in [
        ("jwt", None),
        ("application/jwt", None),
        ("at+jwt", Some(Unfit::Type)),
        ("logout+jwt", Some(Unfit::Type)),
        ("session+jwt", Some(Unfit::Type)),
        ("", Some(Unfit::Type)),
    ] {
        assert_eq!(judged(provider(), typ, &json!({})).err(), expected, "{typ}");
    }
    let key = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
    let good = jws::sign(&key, "JWT", claims(&json!({})).to_string().as_bytes()).unwrap();
    let parts: Vec<_> = good.split('.').collect();
    let with = |header: &Value, signature: &str| {
        format!("{}.{}.{signature}", base64url::encode(header.to_string().as_bytes()), parts[1])
    };
    let other = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
    let of_other = jws::sign(&other, "JWT", claims(&json!({})).to_string().as_bytes()).unwrap();
    for (text, expected) in [
        (good.clone(), None),
        (of_other, Some(Unfit::Signature)),
        (with(&json!({ "alg": "none" }), ""), Some(Unfit::Algorithm)),
        (with(&json!({ "alg": "HS256" }), parts[2]), Some(Unfit::Algorithm)),
        (with(&json!({ "alg": "RS256" }), parts[2]), Some(Unfit::Algorithm)),
        (with(&json!({ "alg": "ES256" }), parts[2]), Some(Unfit::Signature)),
    ] {
        assert_eq!(verified(provider(), &text, &key).err(), expected, "{text}");
    }
    for text in ["", "a.b", "a.b.c.d", &"x".repeat(20_000)] {
        assert!(verified(provider(), text, &key).is_err());
    }
}

#[test]
fn oidc_core_3_1_2_1_a_fresh_proof_is_one_of_which_the_provider_says_when() {
    let until = NOW.plus(Duration::from_secs(300));
    let ago = |seconds_ago: i64| json!({ "auth_time": seconds() - seconds_ago });
    for (changes, wanted, fresh) in [
        (json!({}), Freshness::Any, true),
        (json!({}), Freshness::Anew, false),
        (json!({}), Freshness::Within(3600), false),
        (ago(10), Freshness::Anew, true),
        // The attempt began five minutes ago; a minute is the leeway of clocks.
        (ago(359), Freshness::Anew, true),
        (ago(361), Freshness::Anew, false),
        (ago(90), Freshness::Within(60), true),
        (ago(121), Freshness::Within(60), false),
        // Who lives ahead of us has signed in now.
        (ago(-3600), Freshness::Anew, true),
    ] {
        let found = proven(provider(), &changes).fresh(NOW, wanted, until);
        assert_eq!(found.is_ok(), fresh, "{changes} {wanted:?}");
    }
    assert_eq!(proven(provider(), &ago(-3600)).auth_time(), Some(NOW));
}

#[test]
fn oidc_core_5_3_2_userinfo_is_about_the_same_person_or_nothing() {
    let userinfo = |text: Value| text.as_object().unwrap().clone();
    let said = userinfo(json!({ "sub": "248289761001", "email": "ana@example.com", "email_verified": true }));
    let added = proven(trusted(), &json!({})).with_userinfo(&said).unwrap();
    assert_eq!(added.trusted_email().unwrap().as_str(), "ana@example.com");
    for other in [json!({}), json!({ "sub": "another" }), json!({ "sub": 248_289_761_001_i64 })] {
        let found = proven(trusted(), &json!({})).with_userinfo(&userinfo(other));
        assert_eq!(found.err(), Some(Unfit::Subject));
    }
}

#[test]
fn github_names_somebody_by_a_number_and_only_the_primary_verified_address_counts() {
    let github = Arc::new(trusted());
    let user = json!({ "id": 583_231, "login": "octocat", "name": null, "email": "public@example.com" });
    let email = |primary: bool, verified: bool| {
        json!([{ "email": "other@example.com", "primary": false, "verified": true },
               { "email": "ana@example.com", "primary": primary, "verified": verified }])
    };
    let judge = |user: &Value, emails: &Value| {
        GithubUser::judge(&github, user.to_string().as_bytes(), emails.to_string().as_bytes())
    };
    for (primary, verified, expected) in
        [(true, true, Some("ana@example.com")), (true, false, None), (false, true, None)]
    {
        let found = judge(&user, &email(primary, verified)).unwrap();
        assert_eq!(found.name().subject, "583231");
        assert_eq!(found.trusted_email().map(|email| email.as_str()), expected);
        assert_eq!(found.auth_time(), None);
    }
    for user in
        [json!({}), json!({ "login": "octocat" }), json!({ "id": "583231", "login": "octocat" }), json!([])]
    {
        assert!(judge(&user, &json!([])).is_err(), "{user}");
    }
    assert!(judge(&user, &json!({ "message": "Requires authentication" })).is_err());
}

/// A person with an address; `proven`: the operator vouches for it.
fn person(ground: &mut Ground, username: &str, email: &str, vouched: Vouched) -> OwnerId {
    let enrol = Enrol {
        username: username.parse().unwrap(),
        name: None,
        organisation: None,
        roles: Roles::default(),
        email: Some(email.parse().unwrap()),
        vouched,
        profile: Profile::default(),
        password: None,
    };
    ground.perform(&ground.caller(OPERATOR, ""), &enrol).unwrap().owner.id
}

fn join(ground: &mut Ground, identity: &ProvenIdentity) -> Result<OwnerId, NotJoined> {
    let act = Join { identity: identity.clone() };
    ground.perform(&System, &act).map(|recognised| recognised.person())
}

fn holder(ground: &Ground, identity: &ProvenIdentity) -> Option<OwnerId> {
    let found = at_once(ground.store.find(Join::asked(identity))).unwrap();
    recognise(identity, &found).map(|recognised| recognised.person())
}

/// What an identity with this address becomes, where `ana@example.com` is proven to be Ana's and `eve@example.com` is not Eve's.
#[track_caller]
fn check(provider: IdentityProvider, changes: &Value, expected: Result<Option<&str>, NotJoined>) {
    let mut ground = Ground::new();
    let ana = person(&mut ground, "ana", "ana@example.com", Vouched::ByCaller);
    person(&mut ground, "eve", "eve@example.com", Vouched::ByNobody);
    person(&mut ground, "one", "two@example.com", Vouched::ByCaller);
    person(&mut ground, "two", "Two@example.com", Vouched::ByCaller);
    let identity = proven(provider, changes);
    let found = join(&mut ground, &identity);
    let found = found.map(|person| {
        (person != ana).then(|| {
            let stored = ground.store.tables().persons[&person].clone();
            assert_eq!(stored.password, None);
            stored.username.as_str().to_owned()
        })
    });
    let name = |person: &Option<String>| person.clone().unwrap_or_else(|| "ana".to_owned());
    let begins = expected.map(|name| name.unwrap_or("ana"));
    match (&found, begins) {
        (Ok(person), Ok(begins)) => {
            assert!(name(person).starts_with(begins), "{changes}: {person:?}");
            assert!(holder(&ground, &identity).is_some());
        }
        (Err(found), Err(expected)) => {
            assert_eq!(*found, expected, "{changes}");
            assert_eq!(holder(&ground, &identity), None);
        }
        (found, expected) => panic!("{changes}: {found:?}, expected {expected:?}"),
    }
}

#[test]
fn safety_only_a_trusted_providers_verified_address_makes_an_identity_somebodys() {
    let believed = || IdentityProvider { create_people: false, ..trusted() };
    let email = |email: &str, verified: Value| json!({ "email": email, "email_verified": verified });
    let stranger = Err(NotJoined::Stranger);
    check(believed(), &email("ana@example.com", json!(true)), Ok(None));
    check(believed(), &email("ana@EXAMPLE.com", json!(true)), Ok(None));
    for verified in [json!(false), json!("true"), json!(1), json!(null)] {
        check(believed(), &email("ana@example.com", verified), stranger);
    }
    check(provider(), &email("ana@example.com", json!(true)), stranger);
    check(believed(), &email("eve@example.com", json!(true)), stranger);
    check(believed(), &email("two@example.com", json!(true)), Err(NotJoined::Ambiguous));
    check(believed(), &email("Ana@example.com", json!(true)), Err(NotJoined::Ambiguous));
    check(believed(), &email("ana\u{430}@example.com", json!(true)), stranger);
    check(believed(), &json!({ "preferred_username": "ana" }), stranger);
    // Who is made for an identity takes nobody's name or address.
    check(trusted(), &email("two@example.com", json!(true)), Err(NotJoined::Ambiguous));
    check(trusted(), &email("new@example.com", json!(true)), Ok(Some("corp.")));
    check(trusted(), &json!({ "preferred_username": "ana" }), Ok(Some("corp.ana")));
    check(trusted(), &json!({ "preferred_username": "ana@example.com" }), Ok(Some("corp.ana")));
    check(trusted(), &json!({ "preferred_username": "-x \u{430}" }), Ok(Some("corp.")));
    let unbelieved = IdentityProvider { create_people: true, ..provider() };
    check(unbelieved, &email("ana@example.com", json!(true)), Ok(Some("corp.")));
}

#[test]
fn a_person_who_is_made_has_an_address_only_from_a_provider_that_is_believed() {
    for (provider, expected) in
        [(trusted(), Some("new@example.com")), (IdentityProvider { create_people: true, ..provider() }, None)]
    {
        let mut ground = Ground::new();
        let told = json!({ "email": "new@example.com", "email_verified": true, "name": "Ana \u{202e}evil" });
        let made = join(&mut ground, &proven(provider, &told)).unwrap();
        let tables = ground.store.tables();
        let (person, owner) = (&tables.persons[&made], &tables.owners[&made]);
        assert_eq!(person.email.as_ref().map(|email| email.as_str()), expected);
        assert_eq!(person.email_verified_at.is_some(), expected.is_some());
        assert_eq!(owner.name, person.username.as_str(), "no name that deceives");
        let line = tables.committed.last().unwrap();
        assert_eq!((&*line.action, line.details[0].1.as_str()), ("user.create", "corp"));
    }
}

#[test]
fn two_who_join_at_once_are_one_and_a_full_or_disabled_tenant_takes_nobody() {
    let mut ground = Ground::new();
    let identity = proven(trusted(), &json!({}));
    let first = join(&mut ground, &identity).unwrap();
    let others = ground.store.tables().persons.len();
    assert_eq!(join(&mut ground, &identity), Ok(first));
    assert_eq!(ground.store.tables().persons.len(), others);
    ground.store.tables().others.members = 10_000;
    let next = proven(trusted(), &json!({ "sub": "2" }));
    assert_eq!(join(&mut ground, &next), Err(NotJoined::Full));
    ground.store.tables().others.members = 0;
    switch(&mut ground, first, Switch::Disabled);
    let organisation = ground.organisation.id;
    switch(&mut ground, organisation, Switch::Disabled);
    assert_eq!(join(&mut ground, &next), Err(NotJoined::Disabled));
}

fn switch(ground: &mut Ground, owner: OwnerId, switch: Switch) {
    let permit = ground.caller("operator owners:write users:write", "");
    ground.perform(&permit, &SwitchOwner { id: owner, switch }).unwrap();
}

/// Signs in by an identity that is somebody's.
fn sign_in(ground: &mut Ground, identity: &ProvenIdentity) -> Result<OwnerId, SessionEnd> {
    let found = at_once(ground.store.find(Join::asked(identity))).unwrap();
    let recognised = recognise(identity, &found).unwrap();
    sign_in_as(ground, Proof::Identity(Box::new(recognised)))
}

fn sign_in_as(ground: &mut Ground, proof: Proof) -> Result<OwnerId, SessionEnd> {
    let act = SignIn { proof, incarnation: 0, replaces: None, browser: SeenBrowser::default() };
    let begun = ground.perform(&System, &act)?;
    assert_eq!((begun.session.amr.len(), begun.session.provider.is_some()), (0, true), "RFC 8176");
    Ok(begun.session.person)
}

#[test]
fn a_session_begins_with_an_identity_that_is_theirs_when_it_is_committed() {
    let mut ground = Ground::new();
    let identity = proven(trusted(), &json!({ "auth_time": seconds() - 90_000 }));
    let person = join(&mut ground, &identity).unwrap();
    assert_eq!(sign_in(&mut ground, &identity), Ok(person));
    let line = ground.store.lines().0.unwrap();
    assert_eq!((&*line.action, &*line.actor.scheme), ("user.sign_in", "federation"));
    assert_eq!(line.details, [("provider".into(), "corp".to_owned())]);
    let found = at_once(ground.store.find(Join::asked(&identity))).unwrap();
    let proof = Proof::Identity(Box::new(recognise(&identity, &found).unwrap()));
    switch(&mut ground, person, Switch::Disabled);
    assert_eq!(sign_in_as(&mut ground, proof.clone()), Err(SessionEnd::Unproven));
    switch(&mut ground, person, Switch::Enabled);
    assert_eq!(sign_in_as(&mut ground, proof.clone()), Ok(person));
    let operator = ground.caller(OPERATOR, "");
    ground.perform(&operator, &ResetPerson { id: person, password: None }).unwrap();
    assert_eq!(sign_in_as(&mut ground, proof.clone()), Err(SessionEnd::Unproven), "a reset leaves no way in");
    assert_eq!(holder(&ground, &identity), None);
    switch(&mut ground, person, Switch::Disabled);
    ground.perform(&operator, &DeletePerson { id: person }).unwrap();
    assert_eq!(sign_in_as(&mut ground, proof), Err(SessionEnd::Unproven));
}

#[test]
fn people_link_what_they_have_proven_and_never_lock_themselves_out() {
    let mut ground = Ground::new();
    let (ana, ben) = (ground.person("ana", None), ground.person("ben", None));
    let of = |subject: &str| proven(provider(), &json!({ "sub": subject }));
    let own = |ground: &Ground, person: OwnerId| {
        let owner = ground.store.tables().owners[&person].clone();
        Caller::of(&owner).by(Scheme::SIGN_IN).permit()
    };
    let link = |ground: &mut Ground, person, by, subject: &str| {
        let permit = own(ground, by);
        ground.perform(&permit, &LinkIdentity { identity: of(subject), person })
    };
    assert_eq!(link(&mut ground, ana, ana, "1"), Ok(()));
    assert_eq!(link(&mut ground, ana, ana, "1"), Err(NotLinked::Theirs));
    assert_eq!(link(&mut ground, ben, ben, "1"), Err(NotLinked::OfAnother));
    assert_eq!(link(&mut ground, ana, ben, "2"), Err(NotLinked::NotTheirs));
    for n in 2..=10 {
        assert_eq!(link(&mut ground, ana, ana, &n.to_string()), Ok(()));
    }
    assert_eq!(link(&mut ground, ana, ana, "11"), Err(NotLinked::TooMany));
    let unlink = |ground: &mut Ground, by, subject: &str, ways: &[&str]| {
        let permit = own(ground, by);
        let identity = IdentityName { issuer: ISSUER.to_owned(), subject: subject.to_owned() };
        let ways = ways.iter().map(|way| (*way).to_owned()).collect();
        ground.perform(&permit, &UnlinkIdentity { identity, person: by, ways })
    };
    assert_eq!(unlink(&mut ground, ben, "1", &[ISSUER]), Err(NotLinked::NotTheirs));
    assert_eq!(unlink(&mut ground, ana, "1", &[]), Err(NotLinked::LastWay), "no provider is left");
    for n in 1..=9 {
        assert_eq!(unlink(&mut ground, ana, &n.to_string(), &[ISSUER]), Ok(()));
    }
    assert_eq!(unlink(&mut ground, ana, "10", &[ISSUER]), Err(NotLinked::LastWay));
    assert_eq!(link(&mut ground, ana, ana, "1"), Ok(()));
    // Two tabs take away one each at once: the second finds the first gone.
    ground.store.meanwhile(move |tables| {
        tables.identities.retain(|name, _| name.subject != "1");
        tables.persons.get_mut(&ana).unwrap().version += 1;
    });
    assert_eq!(unlink(&mut ground, ana, "10", &[ISSUER]), Err(NotLinked::LastWay));
}
