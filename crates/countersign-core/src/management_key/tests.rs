//! The rules of management keys as tables.

use crate::credential::Rejection;
use crate::management_key::{Create, LocalPeer, first_key, local_operator};
use crate::minting::Expiry;
use crate::reach::{ManagementScope, Reach, reach};
use crate::refusal::Refusal;
use crate::testing::{Ground, granting, scopes};

#[test]
fn safety_5_the_local_socket_knows_the_servers_user_and_root_alone() {
    for (peer_uid, server_uid, expected) in
        [(1000, 1000, true), (0, 1000, true), (1001, 1000, false), (1000, 0, false)]
    {
        let outcome = local_operator(&Ground::new().context(), LocalPeer { peer_uid, server_uid });
        let reached = outcome.answer.map(|principal| reach(&principal));
        assert_eq!(reached, if expected { Ok(Reach::Installation) } else { Err(Rejection::Unknown) });
    }
}

#[test]
fn the_first_key_holds_everything() {
    let mut ground = Ground::new();
    let owner = ground.organisation.clone();
    let minted = first_key(&mut ground.context(), &owner).answer.unwrap();
    assert!(minted.key.unwrap().expose().starts_with("cs_mgmt_"));
    for scope in ManagementScope::ALL {
        assert!(minted.record.terms.scopes.contains(scope.name()), "{}", scope.name());
    }
    assert!(minted.record.terms.grantable.covers("anything:at-all"));
}

#[test]
fn safety_13_nobody_makes_a_management_key_that_can_do_more() {
    let mut ground = Ground::new();
    let owner = ground.organisation.id;
    let everything = ManagementScope::everything().to_string();
    let operator = ground.caller(&everything, "*");
    let mut make = |held: &str, grantable: &str| {
        let asked = Create {
            name: "tenant".into(),
            owner: Some(owner),
            scopes: scopes(held),
            grantable: granting(grantable),
            expiry: Expiry::Unspecified,
        };
        ground.perform(&operator, &asked).map(|minted| minted.record)
    };
    let record = make("keys:write", "orders:*").unwrap();
    assert_eq!(record.terms.grantable.patterns().to_string(), "orders:*");
    let excess = Refusal::ExcessScope("keys:everything".parse().unwrap());
    assert_eq!(make("keys:everything", ""), Err(excess));
}
