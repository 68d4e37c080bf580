//! What people may do for themselves, as tables.

use std::sync::Arc;

use super::{ChangePassword, EndSession, OwnSession, Whence, permit};
use crate::decision::Permit;
use crate::delegation::WEB_SESSION;
use crate::effect::Effect;
use crate::exchange::System;
use crate::grant_ending::EndGrant;
use crate::id::{CredentialId, OwnerId, OwnerKind};
use crate::password::{Password, ProvenPassword};
use crate::record::ConsentRecord;
use crate::secret::{Secret, SecretHash};
use crate::seen_browser::SeenBrowser;
use crate::sign_in::{Session, SignIn};
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
    let act = SignIn { proof: proof.clone(), incarnation: 0, replaces: None, browser };
    ground.perform(&System, &act).unwrap().session
}

fn permitted(ground: &Ground, session: &Session) -> Permit {
    let person = ground.store.snapshot().owner(session.person).unwrap();
    permit(session, &person, "orders:read".parse().unwrap()).unwrap()
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
    assert!(permit(&ana.session, &Arc::clone(&other), "a".parse().unwrap()).is_none());
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
