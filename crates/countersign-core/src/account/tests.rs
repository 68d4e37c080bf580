//! What people may do for themselves, as tables.

use std::sync::Arc;
use std::time::Duration;

use super::{
    AmendApp, AppKind, ChangePassword, EndSession, MintKey, OwnSession, Purpose, RegisterApp, Whence, permit,
};
use crate::client::{AmendClient, RotateSecret};
use crate::client_terms::GrantType;
use crate::decision::Permit;
use crate::delegation::WEB_SESSION;
use crate::effect::Effect;
use crate::exchange::System;
use crate::grant_ending::EndGrant;
use crate::id::{CredentialId, OwnerId, OwnerKind};
use crate::idempotency::Idempotency;
use crate::minting::Expiry;
use crate::owner::SwitchOwner;
use crate::password::{Password, ProvenPassword};
use crate::record::{ConsentRecord, ResourceRecord};
use crate::resource::{Resource, SigningAlgorithm};
use crate::secret::{Secret, SecretHash};
use crate::seen_browser::SeenBrowser;
use crate::self_service::{MOST_CLIENTS, MOST_KEYS, OwnClients, OwnKeys, SelfService};
use crate::sign_in::{Proof, Session, SignIn};
use crate::switching::Switch;
use crate::testing::{Ground, NOW};
use crate::token::{FAMILY, GRANT};
use crate::token_ending::EndAllOf;

/// A person who has signed in with a password.
struct Member {
    id: OwnerId,
    proof: ProvenPassword,
    session: Session,
}

fn member(ground: &mut Ground, username: &str) -> Member {
    let password = Password::typed(&Secret::new("correct horse".to_owned())).unwrap();
    let hash = password.hashing(&mut ground.context()).run().unwrap();
    let id = ground.person(username, Some(hash.clone()));
    let proof = password.checking(&ground.peppers, Some((id, &hash))).run().unwrap();
    let session = sign_in(ground, &proof);
    Member { id, proof, session }
}

fn sign_in(ground: &mut Ground, proof: &ProvenPassword) -> Session {
    let browser = SeenBrowser::default();
    let act = SignIn { proof: Proof::Password(proof.clone()), incarnation: 0, replaces: None, browser };
    ground.perform(&System, &act).unwrap().session
}

fn permitted(ground: &Ground, session: &Session) -> Permit {
    let person = ground.store.snapshot().owner(session.person).unwrap();
    permit(session, &person, (Purpose::Own, &SelfService::default())).unwrap()
}

#[test]
fn a_person_is_proven_by_their_own_session_and_reaches_what_is_theirs() {
    let mut ground = Ground::new();
    let ana = member(&mut ground, "ana");
    let permit_of_ana = permitted(&ground, &ana.session);
    let principal = permit_of_ana.principal();
    assert_eq!((principal.owner(), principal.credential()), (Some(ana.id), Some(ana.session.id)));
    assert!(principal.scopes().is_empty(), "nothing of the management API");
    let other = ground.organisation.clone();
    let other = ground.member(OwnerKind::User, &other);
    let other = ground.store.snapshot().owner(other.id).unwrap();
    assert!(permit(&ana.session, &Arc::clone(&other), (Purpose::Own, &SelfService::default())).is_none());
}

#[test]
fn asvs_7_5_2_people_end_their_own_sessions_and_nobody_elses() {
    let mut ground = Ground::new();
    let (ana, bea) = (member(&mut ground, "ana"), member(&mut ground, "bea"));
    let second = sign_in(&mut ground, &ana.proof);
    let mut at_app = ground.store.tables().artifacts[0].clone();
    (at_app.kind, at_app.family) = (WEB_SESSION, CredentialId::random(FAMILY, &mut ground.entropy));
    assert!(ground.store.take(vec![Effect::Insert(at_app.clone().into())], Vec::new()));
    let (of_ana, of_bea) = (permitted(&ground, &ana.session), permitted(&ground, &bea.session));
    for (whence, id) in [(Whence::Issuer, second.id), (Whence::WebApp, at_app.family)] {
        let end = EndSession(OwnSession { whence, id });
        assert_eq!(ground.perform(&of_bea, &end).map_err(|refusal| refusal.code()), Err("not_found"));
        assert_eq!(ground.perform(&of_ana, &end), Ok(()));
        assert!(ground.store.tables().ended.iter().any(|ended| ended.token == id), "at the next request");
        assert_eq!(ground.perform(&of_ana, &end).map_err(|refusal| refusal.code()), Err("not_found"));
    }
    assert_eq!(ground.store.tables().artifacts.len(), 2, "each one's own session goes on");
}

#[test]
fn people_take_back_what_they_allowed_and_nothing_else() {
    let mut ground = Ground::new();
    let (ana, bea) = (member(&mut ground, "ana"), member(&mut ground, "bea"));
    let organisation = ground.organisation.clone();
    let client = ground.member(OwnerKind::Client, &organisation);
    let consent = ConsentRecord {
        id: CredentialId::random(GRANT, &mut ground.entropy),
        client: client.id,
        subject: ana.id,
        organisation: organisation.id,
        scopes: "orders:read".parse().unwrap(),
        client_hash: SecretHash::UNSET,
        version: 1,
        created_at: NOW,
        updated_at: NOW,
    };
    assert!(ground.store.take(vec![Effect::Insert(consent.clone().into())], Vec::new()));
    for (session, expected) in [(&bea.session, Err("grant_not_found")), (&ana.session, Ok(()))] {
        let permit = permitted(&ground, session);
        let ended = ground.perform(&permit, &EndGrant(consent.id));
        assert_eq!(ended.map_err(|refusal| refusal.code()), expected);
    }
    for (id, expected) in [(bea.id, Err("owner_not_found")), (ana.id, Ok(()))] {
        let permit = permitted(&ground, &ana.session);
        let ended = ground.perform(&permit, &EndAllOf(id));
        assert_eq!(ended.map_err(|refusal| refusal.code()), expected, "signing out everywhere");
    }
}

#[test]
fn asvs_6_2_3_a_password_is_changed_by_who_knows_it_and_ends_what_there_was() {
    let mut ground = Ground::new();
    let (ana, bea) = (member(&mut ground, "ana"), member(&mut ground, "bea"));
    let next = Password::typed(&Secret::new("another horse".to_owned())).unwrap();
    let password = next.hashing(&mut ground.context()).run().unwrap();
    let generation = |ground: &Ground| ground.store.tables().owners[&ana.id].generation;
    let before = generation(&ground);
    let of_bea = ChangePassword { proof: bea.proof, password: password.clone() };
    let of_ana = ChangePassword { proof: ana.proof, password: password.clone() };
    let permit = permitted(&ground, &ana.session);
    let refused = |ground: &mut Ground, act: &ChangePassword| {
        ground.perform(&permit, act).map_err(|refusal| refusal.code())
    };
    assert_eq!(refused(&mut ground, &of_bea), Err("user_not_found"), "of somebody else");
    assert_eq!(refused(&mut ground, &of_ana), Ok(()));
    assert_eq!(ground.store.tables().persons[&ana.id].password.as_ref(), Some(&password));
    assert_eq!(generation(&ground), before + 1, "every session and token has ended");
    assert_eq!(refused(&mut ground, &of_ana), Err("user_not_found"), "it is the password no more");
}

fn offering(ground: &mut Ground) {
    let resource = Resource::any("https://api.example.com".parse().unwrap(), SigningAlgorithm::Es256);
    let record = ResourceRecord { version: 1, created_at: NOW, resource };
    ground.store.tables().resources.insert(record.resource.id.clone(), record);
    ground.policy.self_service = SelfService {
        api_keys: Some(OwnKeys {
            scopes: "orders:read".parse().unwrap(),
            max_lifetime: Some(Duration::from_secs(1000)),
        }),
        clients: Some(OwnClients {
            grants: [GrantType::AuthorizationCode, GrantType::ClientCredentials].into(),
            scopes: "orders:read".parse().unwrap(),
            audiences: vec!["https://api.example.com".parse().unwrap()],
        }),
    };
}

fn permitted_for(ground: &Ground, session: &Session, purpose: Purpose) -> Permit {
    let person = ground.store.snapshot().owner(session.person).unwrap();
    permit(session, &person, (purpose, &ground.policy.self_service)).unwrap()
}

fn once(text: &str) -> Idempotency {
    Idempotency { key: text.to_owned(), fingerprint: "form".to_owned() }
}

fn mint(text: &str) -> MintKey {
    MintKey {
        name: "ci".to_owned(),
        scopes: "orders:read".parse().unwrap(),
        expiry: Expiry::Unspecified,
        idempotency: once(text),
    }
}

#[test]
fn safety_13_a_person_makes_the_keys_that_the_settings_name_and_no_others() {
    let mut ground = Ground::new();
    let ana = member(&mut ground, "ana");
    let refused = |ground: &mut Ground, purpose, act: &MintKey| {
        let permit = permitted_for(ground, &ana.session, purpose);
        ground.perform(&permit, act).map(|minted| minted.record).map_err(|refusal| refusal.code())
    };
    assert_eq!(refused(&mut ground, Purpose::ApiKeys, &mint("a")).err(), Some("not_offered"));
    offering(&mut ground);
    assert_eq!(refused(&mut ground, Purpose::Own, &mint("a")).err(), Some("excess_scope"));
    assert_eq!(
        refused(&mut ground, Purpose::Clients, &mint("a")).err(),
        None,
        "their scopes are the same here"
    );
    let after = |seconds| Expiry::After(Duration::from_secs(seconds));
    for (expiry, expected) in [
        (Expiry::Unspecified, Ok(NOW.plus(Duration::from_secs(1000)))),
        (after(999), Ok(NOW.plus(Duration::from_secs(999)))),
        (after(1000), Ok(NOW.plus(Duration::from_secs(1000)))),
        (after(1001), Err("lifetime_exceeds_policy")),
        (Expiry::At(NOW.plus(Duration::from_secs(1000))), Ok(NOW.plus(Duration::from_secs(1000)))),
        (Expiry::At(NOW.plus(Duration::from_secs(1001))), Err("lifetime_exceeds_policy")),
        (Expiry::Never, Err("lifetime_exceeds_policy")),
        (after(0), Err("empty_life")),
    ] {
        let act = MintKey { expiry, ..mint(&format!("{expiry:?}")) };
        let made = refused(&mut ground, Purpose::ApiKeys, &act);
        assert_eq!(made.map(|record| record.expires_at.unwrap()), expected, "{expiry:?}");
    }
    for scope in ["orders:write", "orders:read orders:write", "operator"] {
        let act = MintKey { scopes: scope.parse().unwrap(), ..mint(scope) };
        assert_eq!(refused(&mut ground, Purpose::ApiKeys, &act).err(), Some("excess_scope"), "{scope}");
    }
    let key = refused(&mut ground, Purpose::ApiKeys, &mint("b")).unwrap();
    assert_eq!((key.owner, key.organisation), (ana.id, ground.organisation.id), "it acts for them");
}

#[test]
fn safety_9_a_form_that_is_sent_twice_makes_one_key_and_shows_it_once() {
    let mut ground = Ground::new();
    let ana = member(&mut ground, "ana");
    offering(&mut ground);
    let permit = permitted_for(&ground, &ana.session, Purpose::ApiKeys);
    let first = ground.perform(&permit, &mint("a")).unwrap();
    let again = ground.perform(&permit, &mint("a")).unwrap();
    assert_eq!(first.record.id, again.record.id);
    assert!(first.key.is_some() && again.key.is_none());
    assert_eq!(ground.store.tables().credentials.len(), 1);
}

#[test]
fn a_person_makes_so_many_keys_and_clients_and_no_more_also_of_two_at_once() {
    let mut ground = Ground::new();
    let ana = member(&mut ground, "ana");
    offering(&mut ground);
    let permit = permitted_for(&ground, &ana.session, Purpose::ApiKeys);
    for n in 0..MOST_KEYS {
        ground.perform(&permit, &mint(&n.to_string())).unwrap();
    }
    let refused = ground.perform(&permit, &mint("more")).map_err(|refusal| refusal.code());
    assert_eq!(refused.err(), Some("too_many_own"));
    let repeated = ground.perform(&permit, &mint("0")).unwrap();
    assert!(repeated.key.is_none(), "what was made before is told all the same");
    let permit = permitted_for(&ground, &ana.session, Purpose::Clients);
    for n in 0..MOST_CLIENTS {
        ground.perform(&permit, &app(&format!("app {n}"))).unwrap();
    }
    let refused = ground.perform(&permit, &app("more")).map_err(|refusal| refusal.code());
    assert_eq!(refused.err(), Some("too_many_own"));
    let versions = ground.store.tables().owners[&ana.id].version;
    assert!(versions > i64::try_from(MOST_KEYS + MOST_CLIENTS).unwrap(), "each writes the person too");
}

fn app(text: &str) -> RegisterApp {
    RegisterApp {
        name: "Order Book".to_owned(),
        kind: AppKind::Server,
        redirect_uris: vec!["https://app.example/cb".parse().unwrap()],
        scopes: "orders:read".parse().unwrap(),
        idempotency: once(text),
    }
}

#[test]
fn safety_23_a_client_that_a_person_registers_has_what_the_settings_name_and_never_the_grant_of_devices() {
    let mut ground = Ground::new();
    let ana = member(&mut ground, "ana");
    let register = |ground: &mut Ground, purpose, act: &RegisterApp| {
        let permit = permitted_for(ground, &ana.session, purpose);
        ground.perform(&permit, act).map_err(|refusal| refusal.code())
    };
    assert_eq!(register(&mut ground, Purpose::Clients, &app("a")).err(), Some("not_offered"));
    offering(&mut ground);
    ground.policy.self_service.clients.as_mut().unwrap().grants.insert(GrantType::DeviceCode);
    assert_eq!(register(&mut ground, Purpose::Own, &app("a")).err(), Some("excess_scope"));
    let act = RegisterApp { scopes: "orders:write".parse().unwrap(), ..app("a") };
    assert_eq!(register(&mut ground, Purpose::Clients, &act).err(), Some("excess_scope"));
    let server = register(&mut ground, Purpose::Clients, &app("a")).unwrap();
    let public = RegisterApp { kind: AppKind::Public, ..app("b") };
    let public = register(&mut ground, Purpose::Clients, &public).unwrap();
    assert!(server.secret.is_some() && public.secret.is_none());
    for (client, grants) in [
        (&server.client, vec![GrantType::AuthorizationCode, GrantType::ClientCredentials]),
        (&public.client, vec![GrantType::AuthorizationCode]),
    ] {
        let terms = client.client.as_ref().unwrap();
        assert_eq!(terms.grants.iter().copied().collect::<Vec<_>>(), grants);
        assert!(terms.require_pkce && client.registrant == Some(ana.id));
        assert_eq!(terms.audiences, ground.policy.self_service.clients.as_ref().unwrap().audiences);
        assert_eq!(client.organisation, ground.organisation.id);
    }
    let devices = AmendClient {
        grants: Some([GrantType::DeviceCode].into()),
        ..AmendClient::nothing(server.client.id)
    };
    let operator = ground.caller("operator clients:write", "*");
    let refused = ground.perform(&operator, &devices).map_err(|refusal| refusal.code());
    assert_eq!(refused.err(), Some("invalid_client_metadata"), "not even by an operator");
}

#[test]
fn people_change_and_switch_the_clients_that_they_registered_and_nobody_elses() {
    let mut ground = Ground::new();
    let (ana, bea) = (member(&mut ground, "ana"), member(&mut ground, "bea"));
    offering(&mut ground);
    let of = |ground: &Ground, member: &Member| permitted_for(ground, &member.session, Purpose::Clients);
    let client = {
        let permit = of(&ground, &ana);
        ground.perform(&permit, &app("a")).unwrap().client
    };
    let hash =
        |client: &crate::record::OwnerRecord| client.client.as_ref().unwrap().consent_hash(&client.name);
    let amend = AmendApp {
        id: client.id,
        name: "Ledger".to_owned(),
        redirect_uris: vec!["https://ledger.example/cb".parse().unwrap()],
    };
    let rotate = RotateSecret { id: client.id, overlap: None };
    let switch = |switch| SwitchOwner { id: client.id, switch };
    let theirs = of(&ground, &bea);
    assert_eq!(ground.perform(&theirs, &amend).map_err(|one| one.code()).err(), Some("client_not_found"));
    assert_eq!(ground.perform(&theirs, &rotate).map_err(|one| one.code()).err(), Some("client_not_found"));
    let refused = ground.perform(&theirs, &switch(Switch::Disabled)).map_err(|one| one.code());
    assert_eq!(refused.err(), Some("owner_not_found"));
    let own = of(&ground, &ana);
    let changed = ground.perform(&own, &amend).unwrap();
    assert!(hash(&changed) != hash(&client), "people are asked anew");
    assert!(ground.perform(&own, &rotate).unwrap().secret.is_some());
    assert!(ground.perform(&own, &switch(Switch::Disabled)).unwrap().disabled_at.is_some());
    assert!(ground.perform(&own, &switch(Switch::Enabled)).unwrap().disabled_at.is_none());
    let operator = ground.caller("operator owners:write", "*");
    ground.perform(&operator, &switch(Switch::Disabled)).unwrap();
    let refused = ground.perform(&own, &switch(Switch::Enabled)).map_err(|one| one.code());
    assert_eq!(refused.err(), Some("disabled_above"), "what an operator has switched off stays off");
}
