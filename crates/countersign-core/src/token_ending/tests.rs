//! Who ends which tokens, as tables.

use serde_json::Map;

use super::{EndAll, EndAllOf, EndOwn, EndToken, NotIts};
use crate::client_terms::ClientTerms;
use crate::id::{CredentialId, OwnerId};
use crate::issued::MEMORY;
use crate::refusal::Refusal;
use crate::testing::{Caller, Ground, HOUR, NOW};
use crate::token::{AccessClaims, Generations, TOKEN};

fn claims(ground: &mut Ground, client: OwnerId) -> AccessClaims {
    AccessClaims {
        id: CredentialId::random(TOKEN, &mut ground.entropy),
        client,
        subject: client,
        audience: "https://api.example.com".into(),
        scopes: std::sync::Arc::default(),
        issued_at: NOW,
        expires_at: NOW.plus(HOUR),
        generations: Generations { incarnation: 0, organisation: 0, client: 0 },
        delegation: None,
        further: Map::new(),
    }
}

#[test]
fn rfc7009_2_1_a_client_ends_its_own_tokens_alone() {
    let mut ground = Ground::new();
    let ((one, by_one), (_, by_other)) =
        (ground.client(ClientTerms::default()), ground.client(ClientTerms::default()));
    let claims = claims(&mut ground, one.id);
    let act = EndOwn { claims: claims.clone() };
    assert_eq!(ground.perform(&by_other, &act), Err(NotIts));
    assert_eq!(ground.store.tables().ended.len(), 0);
    assert_eq!(ground.perform(&by_one, &act), Ok(()));
    let ended = ground.store.tables().ended.clone();
    let ended = ended.first().unwrap();
    assert_eq!((ended.token, ended.until), (claims.id, NOW.plus(HOUR).plus(MEMORY)), "SAFETY 17");
    assert_eq!(ground.perform(&by_one, &act), Ok(()), "a repeat is no error");
}

#[test]
fn safety_17_everything_before_is_ended_by_raising_a_generation() {
    let mut ground = Ground::new();
    let (client, _) = ground.client(ClientTerms::default());
    let (organisation, stranger) = (ground.organisation.clone(), ground.stranger());
    let generation =
        |ground: &Ground, id| ground.store.tables().owners.get(&id).map(|owner| owner.generation).unwrap();
    let (tenant, other) = (Caller::of(&organisation).permit(), Caller::of(&stranger).permit());
    assert_eq!(ground.perform(&other, &EndAllOf(client.id)), Err(Refusal::OwnerNotFound));
    assert_eq!(ground.perform(&other, &EndAllOf(organisation.id)), Err(Refusal::OwnerNotFound));
    assert_eq!(generation(&ground, client.id), 0);
    assert_eq!(ground.perform(&tenant, &EndAllOf(client.id)), Ok(()));
    assert_eq!(ground.perform(&tenant, &EndAllOf(organisation.id)), Ok(()));
    assert_eq!((generation(&ground, client.id), generation(&ground, organisation.id)), (1, 1));
    assert_eq!(ground.perform(&tenant, &EndAll), Err(Refusal::NotFound));
    assert_eq!(ground.store.tables().incarnation, 0);
    assert_eq!(ground.perform(&ground.caller("operator", ""), &EndAll), Ok(()));
    assert_eq!(ground.store.tables().incarnation, 1);
}

#[test]
fn a_token_beyond_reach_is_not_found() {
    let mut ground = Ground::new();
    let (client, _) = ground.client(ClientTerms::default());
    let stranger = ground.stranger();
    let claims = claims(&mut ground, client.id);
    let act = EndToken { claims, organisation: client.organisation };
    assert_eq!(ground.perform(&Caller::of(&stranger).permit(), &act), Err(Refusal::NotFound));
    assert_eq!(ground.perform(&Caller::of(&ground.organisation).permit(), &act), Ok(()));
    assert_eq!(ground.store.tables().ended.len(), 1);
}
