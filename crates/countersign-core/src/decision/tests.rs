//! The policy as tables.

use crate::api_key;
use crate::decision::{Condition, Decision, Requirement, decide, rehearse};
use crate::environment::Environment::{Live, Test};
use crate::id::{OwnerId, OwnerKind};
use crate::management_key;
use crate::principal::Principal;
use crate::scheme::Scheme;
use crate::testing::{Caller, Ground, asking_for_key, scopes};

/// An API key of a client, of the set `acme`, for tests, that may `a` and `b`; its owner and organisation.
fn presented() -> (Principal, OwnerId, OwnerId) {
    let mut ground = Ground::new();
    let organisation = ground.organisation.clone();
    let client = ground.member(OwnerKind::Client, &organisation);
    let caller = Caller::of(&client).by(api_key::SCHEME).holding("a b").with_key("acme", Test);
    (caller.principal(), client.id, organisation.id)
}

fn holding(text: &str) -> Condition {
    Condition { scopes: scopes(text), ..asking_for_key(Some("acme"), Test) }
}

fn owned_by(owner: OwnerId) -> Condition {
    Condition { owner: Some(owner), ..holding("a") }
}

#[track_caller]
fn check(principal: Option<&Principal>, requirement: &Requirement, expected: &str) {
    let (decided, rehearsed) = match decide(principal.cloned(), requirement) {
        Decision::Permit(permit) => {
            let scheme = principal.map_or(Scheme::ANONYMOUS, Principal::scheme);
            assert_eq!(permit.principal().scheme(), scheme, "{requirement:?}");
            ("permit", Ok(()))
        }
        Decision::Challenge => ("challenge", Err("credential_required")),
        Decision::Deny(denial) => (denial.code(), Err(denial.code())),
    };
    assert_eq!(decided, expected, "{requirement:?}");
    assert_eq!(rehearse(principal, requirement), rehearsed, "a rehearsal says the same: {requirement:?}");
}

#[test]
fn rfc9110_15_5_2_who_presents_nothing_is_challenged_unless_nothing_is_asked_for() {
    let (anonymous, key) = (|| Condition::of(Scheme::ANONYMOUS), || holding("a"));
    for (conditions, expected) in [
        (vec![], "challenge"),
        (vec![key()], "challenge"),
        (vec![Condition::of(management_key::SCHEME), key()], "challenge"),
        (vec![anonymous()], "permit"),
        (vec![key(), anonymous()], "permit"),
    ] {
        check(None, &Requirement::Any(conditions), expected);
    }
    check(None, &Requirement::All(vec![key()]), "challenge");
    check(None, &Requirement::All(vec![]), "challenge");
}

#[test]
fn one_credential_meets_a_condition_or_it_does_not() {
    let (principal, client, organisation) = presented();
    let stranger = Ground::new().stranger().id;
    let rows = [
        (holding(""), "permit"),
        (holding("a b"), "permit"),
        (holding("a c"), "insufficient_scope"),
        (owned_by(client), "permit"),
        (owned_by(organisation), "permit"),
        (owned_by(stranger), "wrong_owner"),
        (asking_for_key(None, Test), "permit"),
        (asking_for_key(Some("acme"), Live), "wrong_environment"),
        (asking_for_key(Some("partner"), Test), "wrong_key_set"),
        (Condition::of(management_key::SCHEME), "wrong_scheme"),
        (Condition::of(Scheme::ANONYMOUS), "wrong_scheme"),
    ];
    for (condition, expected) in rows {
        check(Some(&principal), &Requirement::Any(vec![condition.clone()]), expected);
        check(Some(&principal), &Requirement::All(vec![condition]), expected);
    }
}

#[test]
fn a_key_without_a_set_is_of_no_set() {
    let ground = Ground::new();
    let bare = Caller::of(&ground.organisation).by(api_key::SCHEME).principal();
    check(Some(&bare), &Requirement::Any(vec![asking_for_key(None, Live)]), "permit");
    check(Some(&bare), &Requirement::Any(vec![asking_for_key(Some("acme"), Live)]), "wrong_key_set");
}

#[test]
fn who_acts_for_nobody_belongs_to_no_owner() {
    let (_, client, _) = presented();
    let nobody = Caller::nobody().by(api_key::SCHEME).holding("a").with_key("acme", Test).principal();
    check(Some(&nobody), &Requirement::Any(vec![holding("a")]), "permit");
    check(Some(&nobody), &Requirement::Any(vec![owned_by(client)]), "wrong_owner");
}

#[test]
fn any_is_met_by_one_and_tells_the_nearest_denial() {
    let (principal, ..) = presented();
    let stranger = Ground::new().stranger().id;
    // The nearest last.
    let denied = [
        (Condition::of(management_key::SCHEME), "wrong_scheme"),
        (asking_for_key(None, Live), "wrong_environment"),
        (asking_for_key(Some("partner"), Test), "wrong_key_set"),
        (owned_by(stranger), "wrong_owner"),
        (holding("c"), "insufficient_scope"),
    ];
    for (index, (near, code)) in denied.iter().enumerate() {
        for (far, _) in denied.iter().take(index + 1) {
            for conditions in [vec![near.clone(), far.clone()], vec![far.clone(), near.clone()]] {
                check(Some(&principal), &Requirement::Any(conditions), code);
            }
        }
        for conditions in [vec![near.clone(), holding("a")], vec![holding("a"), near.clone()]] {
            check(Some(&principal), &Requirement::Any(conditions), "permit");
        }
    }
    check(Some(&principal), &Requirement::Any(vec![]), "wrong_scheme");
}

#[test]
fn all_is_met_by_no_less_than_all() {
    let (principal, ..) = presented();
    check(Some(&principal), &Requirement::All(vec![]), "wrong_scheme");
    for (conditions, expected) in
        [(["a", "b"], "permit"), (["a", "c"], "insufficient_scope"), (["c", "a"], "insufficient_scope")]
    {
        check(Some(&principal), &Requirement::All(conditions.map(holding).to_vec()), expected);
    }
    let other = || Condition::of(management_key::SCHEME);
    check(Some(&principal), &Requirement::All(vec![holding("a"), other()]), "wrong_scheme");
    check(Some(&principal), &Requirement::All(vec![other(), holding("a")]), "wrong_scheme");
}

#[test]
fn a_requirement_tells_what_it_asks_for() {
    let (anonymous, key) = (|| Condition::of(Scheme::ANONYMOUS), || holding("a"));
    for (conditions, admits_anonymous, asks) in [
        (vec![], false, false),
        (vec![anonymous()], true, false),
        (vec![key()], false, true),
        (vec![anonymous(), key()], true, true),
    ] {
        let (any, all) = (Requirement::Any(conditions.clone()), Requirement::All(conditions.clone()));
        for requirement in [any, all] {
            assert_eq!(requirement.admits_anonymous(), admits_anonymous, "{requirement:?}");
            assert_eq!(requirement.asks_for_credential(), asks, "{requirement:?}");
            assert_eq!(requirement.accepts(api_key::SCHEME), asks, "{requirement:?}");
            assert!(!requirement.accepts(management_key::SCHEME), "{requirement:?}");
            assert!(requirement.conditions().eq(&conditions), "in the order in which they are written");
        }
    }
}
