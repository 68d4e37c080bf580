//! The rules of management keys as tables.

use crate::context::{Context, Policy, SeededEntropy};
use crate::credential::Rejection;
use crate::decision::{Condition, Decision, Permit, Requirement, decide};
use crate::exchange::Act;
use crate::id::{OwnerId, OwnerKind};
use crate::ledger::Found;
use crate::management_key::{Create, LocalPeer, first_key, local_operator};
use crate::minting::Expiry;
use crate::principal::Scheme;
use crate::reach::{ManagementScope, Reach, reach};
use crate::record::OwnerRecord;
use crate::refusal::Refusal;
use crate::scope::Grantable;
use crate::secret::{Pepper, Peppers, Secret};
use crate::tally::Tally;
use crate::timestamp::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn with_context<T>(act: impl FnOnce(&mut Context<'_>) -> T) -> T {
    let peppers = Peppers::new(Pepper::new(1, &Secret::new([7; 32])), Vec::new());
    let (mut entropy, policy) = (SeededEntropy::new(1), Policy::default());
    act(&mut Context { now: NOW, entropy: &mut entropy, peppers: &peppers, policy: &policy, address: None })
}

fn organisation() -> OwnerRecord {
    let id = OwnerId::random(OwnerKind::Organisation, &mut SeededEntropy::new(9));
    OwnerRecord {
        id,
        organisation: id,
        name: "acme".into(),
        version: 1,
        created_at: NOW,
        disabled_at: None,
        disabled_by: None,
    }
}

fn operator() -> Permit {
    let peer = LocalPeer { peer_uid: 1000, server_uid: 1000 };
    let principal = with_context(|context| local_operator(context, peer)).answer.unwrap();
    let Decision::Permit(permit) =
        decide(Some(principal), &Requirement::Any(vec![Condition::of(Scheme::LocalSocket)]))
    else {
        panic!("not permitted")
    };
    permit
}

#[test]
fn safety_5_the_local_socket_knows_the_servers_user_and_root_alone() {
    for (peer_uid, server_uid, expected) in
        [(1000, 1000, true), (0, 1000, true), (1001, 1000, false), (1000, 0, false)]
    {
        let outcome = with_context(|context| local_operator(context, LocalPeer { peer_uid, server_uid }));
        match outcome.answer {
            Ok(principal) => {
                assert!(expected);
                assert_eq!(reach(&principal), Reach::Installation);
            }
            Err(rejection) => {
                assert!(!expected);
                assert_eq!(rejection, Rejection::Unknown);
            }
        }
    }
}

#[test]
fn the_first_key_holds_everything() {
    let minted = with_context(|context| first_key(context, &organisation())).answer.unwrap();
    assert!(minted.key.unwrap().expose().starts_with("cs_mgmt_"));
    for scope in ManagementScope::ALL {
        assert!(minted.record.terms.scopes.contains(scope.name()), "{}", scope.name());
    }
    assert!(minted.record.terms.grantable.covers("anything:at-all"));
}

#[test]
fn safety_13_nobody_makes_a_management_key_that_can_do_more() {
    let owner = organisation();
    let found = || Found::Creation {
        owner: Some(Box::new(owner.clone())),
        organisation: None,
        earlier: None,
        made: None,
        taken: Vec::new(),
        tally: Tally::default(),
    };
    let asked = |scopes: &str, grantable: &str| Create {
        name: "tenant".into(),
        owner: Some(owner.id),
        scopes: scopes.parse().unwrap(),
        grantable: Grantable::new(grantable.parse().unwrap()),
        expiry: Expiry::Unspecified,
    };
    let minted =
        with_context(|context| asked("keys:write", "orders:*").decide(context, &operator(), found()));
    let record = minted.answer.unwrap().record;
    assert_eq!(record.terms.grantable.patterns().to_string(), "orders:*");
    let unknown = with_context(|context| asked("keys:everything", "").decide(context, &operator(), found()));
    let excess: crate::scope::Scope = "keys:everything".parse().unwrap();
    assert_eq!(unknown.answer.unwrap_err(), Refusal::ExcessScope(excess));
}
