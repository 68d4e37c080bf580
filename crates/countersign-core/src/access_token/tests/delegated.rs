//! Tokens that act for a person, as tables.

use serde_json::{Map, Value, json};

use super::World;
use crate::access_token::criteria::criteria;
use crate::access_token::kind::SCHEME;
use crate::authenticators::GATEWAY;
use crate::decision::{Audience, Condition, Requirement, rehearse};
use crate::few::Few;
use crate::id::{CredentialId, OwnerId, OwnerKind};
use crate::principal::Subject;
use crate::record::{EndedToken, OwnerRecord};
use crate::testing::{HOUR, NOW};
use crate::token::{Delegation, FAMILY, GRANT, PersonGenerations};

/// A token that acts for a person of another organisation than its client's.
fn delegated() -> (World, OwnerRecord, Delegation) {
    let mut world = World::new();
    let elsewhere = world.ground.stranger();
    let person = world.ground.member(OwnerKind::User, &elsewhere);
    let delegation = Delegation {
        session: None,
        grant: CredentialId::random(GRANT, &mut world.ground.entropy),
        family: CredentialId::random(FAMILY, &mut world.ground.entropy),
        generations: PersonGenerations { organisation: 0, person: 0 },
    };
    (world.claims.subject, world.claims.delegation) = (person.id, Some(delegation));
    (world, person, delegation)
}

#[test]
fn rfc9068_2_2_a_token_that_acts_for_a_person_names_the_person_and_the_client() {
    let (mut world, person, _) = delegated();
    let field = format!("Bearer {}", world.signed());
    let principal = world.ground.present(GATEWAY, &[("authorization", &field)]).unwrap().unwrap();
    assert_eq!(principal.subject(), Some(&Subject::Owner(person.id)));
    assert_eq!((principal.client(), principal.owner()), (Some(world.client.id), Some(world.client.id)));
}

#[test]
fn safety_17_a_token_that_acts_for_a_person_ends_with_whatever_it_hangs_on() {
    type End = fn(&mut World, &OwnerRecord, &Delegation);
    let ends: [(&str, End, &str); 7] = [
        ("its grant is ended", |world, _, of| world.end(of.grant), "revoked"),
        ("its family is ended", |world, _, of| world.end(of.family), "revoked"),
        ("the person's generation", |world, person, _| world.raise(person.id), "revoked"),
        ("their organisation's", |world, person, _| world.raise(person.organisation), "revoked"),
        ("the client's generation", |world, _, _| world.raise(world.client.id), "revoked"),
        ("the person is disabled", |world, person, _| world.ground.disable(person), "owner_disabled"),
        (
            "the person is unknown",
            |world, person, _| drop(world.ground.store.tables().owners.remove(&person.id)),
            "unknown",
        ),
    ];
    for (what, end, expected) in ends {
        let (mut world, person, delegation) = delegated();
        let token = world.signed();
        assert_eq!(world.present(&token), Ok(()), "{what}");
        end(&mut world, &person, &delegation);
        assert_eq!(world.present(&token), Err(expected), "{what}");
    }
}

#[test]
fn what_says_half_of_a_delegation_is_none_of_ours() {
    let (mut world, person, delegation) = delegated();
    let stranger = OwnerId::random(OwnerKind::User, &mut world.ground.entropy);
    let (grant, family) = (delegation.grant.to_string(), delegation.family.to_string());
    for (changes, expected) in [
        (json!({ "grant_id": null }), "claims"),
        (json!({ "family": null }), "claims"),
        (json!({ "grant_id": family, "family": grant }), "claims"),
        (json!({ "grant_id": 1 }), "claims"),
        (json!({ "gen": [0, 0, 0] }), "claims"),
        (json!({ "gen": [0, 0, 0, 0] }), "claims"),
        (json!({ "gen": [0, 0, 0, 0, 0, 0] }), "claims"),
        (json!({ "sub": world.client.id.to_string() }), "claims"),
        (json!({ "gen": [0, 0, 0], "grant_id": null, "family": null }), "claims"),
        (json!({ "sub": stranger.to_string() }), "unknown"),
        (json!({ "sub": person.id.to_string() }), ""),
    ] {
        let presented = world.present(&world.with(&changes));
        assert_eq!(presented.err().unwrap_or_default(), expected, "{changes}");
    }
}

impl World {
    fn end(&mut self, token: CredentialId) {
        self.ground.store.tables().ended.push(EndedToken { token, until: NOW.plus(HOUR) });
    }
}

/// Reads what a route asks of claims.
fn asked(claims: &Value) -> Result<Requirement, String> {
    let settings = Map::from_iter([("claims".to_owned(), claims.clone())]);
    let asked = criteria(&settings).map_err(|error| error.to_string())?;
    Ok(Requirement::Any(vec![Condition { audience: Audience::Any, ..Condition::of(SCHEME, asked) }]))
}

#[test]
fn rfc9470_3_a_sign_in_that_is_not_enough_is_told_from_a_token_that_is_not() {
    const MORE: Result<(), &str> = Err("insufficient_user_authentication");
    const WRONG: Result<(), &str> = Err("wrong_claims");
    for (held, wanted, of_person, expected) in [
        (json!({ "acr": "pwd" }), json!({ "acr": "pwd" }), true, Ok(())),
        (json!({ "acr": "pwd" }), json!({ "acr": "phr" }), true, MORE),
        (json!({}), json!({ "acr": "phr" }), true, MORE),
        (json!({ "role": "a" }), json!({ "acr": "phr", "role": "a" }), true, MORE),
        // Another sign-in would not help.
        (json!({ "acr": "pwd", "role": "b" }), json!({ "acr": "phr", "role": "a" }), true, WRONG),
        (json!({ "acr": "phr", "role": "b" }), json!({ "acr": "phr", "role": "a" }), true, WRONG),
        (json!({}), json!({ "acr": "phr" }), false, WRONG),
    ] {
        let (mut world, _, _) = delegated();
        if !of_person {
            (world.claims.subject, world.claims.delegation) = (world.client.id, None);
        }
        world.claims.further = held.as_object().unwrap().clone();
        let field = format!("Bearer {}", world.signed());
        let principal = world.ground.present(GATEWAY, &[("authorization", &field)]).unwrap().unwrap();
        let found = rehearse(Some(&Few::one(principal)), &asked(&wanted).unwrap());
        assert_eq!(found, expected, "{held} {wanted}");
    }
    for named in
        [json!(""), json!("a b"), json!("a\"b"), json!("a\\b"), json!("\u{e4}"), json!(1), json!(["a"])]
    {
        assert!(asked(&json!({ "acr": named })).unwrap_err().contains("acr"), "{named}");
    }
}
