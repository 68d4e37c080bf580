//! The policy as tables.

use crate::api_key;
use crate::decision::{Agreement, Audience, Condition, Decision, Requirement, decide, rehearse};
use crate::environment::Environment::{Live, Test};
use crate::few::Few;
use crate::id::{OwnerId, OwnerKind};
use crate::management_key;
use crate::principal::Principal;
use crate::record::OwnerRecord;
use crate::scheme::Scheme;
use crate::scope::ScopeSet;
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
    asking_for_key(Some("acme"), Test).holding(scopes(text))
}

fn management() -> Condition {
    management_key::required(ScopeSet::default())
}

fn owned_by(owner: OwnerId) -> Condition {
    holding("a").owned_by(owner)
}

#[track_caller]
fn check(principal: Option<&Principal>, requirement: &Requirement, expected: &str) {
    let (decided, rehearsed) = match decide(principal.cloned().map(Few::one), requirement) {
        Decision::Permit(permit) => {
            let scheme = principal.map_or(Scheme::ANONYMOUS, Principal::scheme);
            assert_eq!(permit.principal().scheme(), scheme, "{requirement:?}");
            ("permit", Ok(()))
        }
        Decision::Challenge(_) => ("challenge", Err("credential_required")),
        Decision::Deny(denial) => (denial.code(), Err(denial.code())),
    };
    assert_eq!(decided, expected, "{requirement:?}");
    assert_eq!(
        rehearse(principal.cloned().map(Few::one).as_ref(), requirement),
        rehearsed,
        "a rehearsal says the same: {requirement:?}"
    );
}

#[test]
fn rfc9110_15_5_2_who_presents_nothing_is_challenged_unless_nothing_is_asked_for() {
    let (anonymous, key) = (|| Condition::anonymous(), || holding("a"));
    for (conditions, expected) in [
        (vec![], "challenge"),
        (vec![key()], "challenge"),
        (vec![management(), key()], "challenge"),
        (vec![anonymous()], "permit"),
        (vec![key(), anonymous()], "permit"),
    ] {
        check(None, &Requirement::Any(conditions), expected);
    }
    check(None, &Requirement::All(vec![key()], Agreement::Owner), "challenge");
    check(None, &Requirement::All(vec![], Agreement::Owner), "challenge");
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
        (management(), "wrong_scheme"),
        (Condition::anonymous(), "wrong_scheme"),
    ];
    for (condition, expected) in rows {
        check(Some(&principal), &Requirement::Any(vec![condition.clone()]), expected);
        check(Some(&principal), &Requirement::All(vec![condition], Agreement::Owner), expected);
    }
}

#[test]
fn a_key_without_a_set_is_of_no_set() {
    let ground = Ground::new();
    let bare = Caller::of(&ground.organisation).by(api_key::SCHEME).granting("").principal();
    check(Some(&bare), &Requirement::Any(vec![asking_for_key(None, Live)]), "permit");
    check(Some(&bare), &Requirement::Any(vec![asking_for_key(Some("acme"), Live)]), "wrong_key_set");
}

#[test]
fn rfc9068_4_a_credential_is_good_for_its_audience_alone() {
    let caller = || Caller::nobody().by(api_key::SCHEME).holding("a").with_key("acme", Test);
    let (bare, made) = (caller().principal(), caller().made_for("orders").principal());
    for (principal, audience, expected) in [
        (&bare, None, "permit"),
        (&made, None, "permit"),
        (&made, Some("orders"), "permit"),
        (&made, Some("settle"), "wrong_audience"),
        (&bare, Some("orders"), "wrong_audience"),
    ] {
        let audience = audience.map_or(Audience::Any, |audience| Audience::Named(audience.into()));
        check(Some(principal), &Requirement::Any(vec![Condition { audience, ..holding("a") }]), expected);
    }
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
        (management(), "wrong_scheme"),
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

/// An API key and a management key that are presented together: of whom, holding what.
fn together(key: (&OwnerRecord, &str), management: (&OwnerRecord, &str)) -> Few<Principal> {
    let first = Caller::of(key.0).by(api_key::SCHEME).holding(key.1).with_key("acme", Test).principal();
    Few::with(Some(Few::one(first)), Caller::of(management.0).holding(management.1).principal())
}

#[test]
fn safety_6_all_asks_for_a_credential_for_each_condition_and_owners_that_agree() {
    let mut ground = Ground::new();
    let (ours, theirs) = (ground.organisation.clone(), ground.stranger());
    let (one, two) = (ground.member(OwnerKind::Client, &ours), ground.member(OwnerKind::User, &ours));
    let both = || vec![holding("a"), management_key::required(scopes("x"))];
    let rows = [
        (&one, "a", &one, "x", Agreement::Owner, "permit"),
        (&one, "a", &two, "x", Agreement::Owner, "owners_disagree"),
        (&one, "a", &two, "x", Agreement::Organisation, "permit"),
        (&one, "a", &ours, "x", Agreement::Organisation, "permit"),
        (&one, "a", &theirs, "x", Agreement::Organisation, "owners_disagree"),
        (&one, "a", &one, "x", Agreement::Subject, "permit"),
        (&one, "a", &two, "x", Agreement::Subject, "owners_disagree"),
        (&one, "b", &one, "x", Agreement::Owner, "insufficient_scope"),
        (&one, "a", &one, "y", Agreement::Owner, "insufficient_scope"),
    ];
    for (owner, held, other, other_held, agreement, expected) in rows {
        let members = together((owner, held), (other, other_held));
        let requirement = Requirement::All(both(), agreement);
        assert_eq!(rehearse(Some(&members), &requirement).err().unwrap_or("permit"), expected);
        let Decision::Permit(permit) = decide(Some(members), &requirement) else {
            assert_ne!(expected, "permit");
            continue;
        };
        assert_eq!(permit.principal().scheme(), api_key::SCHEME, "the first listed is the subject");
        assert_eq!(permit.members().len(), 2);
    }
    let members = || together((&one, "a"), (&one, "x"));
    let swapped = both().into_iter().rev().collect();
    for (requirement, expected) in [
        (Requirement::All(swapped, Agreement::Owner), "wrong_scheme"),
        (Requirement::All(vec![holding("a")], Agreement::Owner), "wrong_scheme"),
        (Requirement::All(vec![], Agreement::Owner), "wrong_scheme"),
        (Requirement::Any(both()), "wrong_scheme"),
    ] {
        assert_eq!(rehearse(Some(&members()), &requirement), Err(expected), "{requirement:?}");
    }
}

#[test]
fn safety_6_nobody_does_not_agree_with_nobody() {
    let nobody = || Caller::nobody().by(api_key::SCHEME).holding("a").with_key("acme", Test).principal();
    let two = || Few::with(Some(Few::one(nobody())), Caller::nobody().holding("x").principal());
    let both = || vec![holding("a"), management_key::required(scopes("x"))];
    for agreement in [Agreement::Owner, Agreement::Organisation, Agreement::Subject] {
        let requirement = Requirement::All(both(), agreement);
        assert_eq!(rehearse(Some(&two()), &requirement), Err("owners_disagree"));
    }
    let alone = Requirement::All(vec![holding("a")], Agreement::Owner);
    assert_eq!(rehearse(Some(&Few::one(nobody())), &alone), Ok(()), "one alone agrees");
}

#[test]
fn all_is_met_by_no_less_than_all() {
    let (principal, ..) = presented();
    check(Some(&principal), &Requirement::All(vec![], Agreement::Owner), "wrong_scheme");
    for conditions in [vec![holding("a"), holding("b")], vec![holding("a"), management()]] {
        check(Some(&principal), &Requirement::All(conditions, Agreement::Owner), "wrong_scheme");
    }
}

#[test]
fn a_requirement_tells_what_it_asks_for() {
    let (anonymous, key) = (|| Condition::anonymous(), || holding("a"));
    for (conditions, admits_anonymous, asks) in [
        (vec![], false, false),
        (vec![anonymous()], true, false),
        (vec![key()], false, true),
        (vec![anonymous(), key()], true, true),
    ] {
        let (any, all) =
            (Requirement::Any(conditions.clone()), Requirement::All(conditions.clone(), Agreement::Owner));
        for requirement in [any, all] {
            assert_eq!(requirement.admits_anonymous(), admits_anonymous, "{requirement:?}");
            assert_eq!(requirement.asks_for_credential(), asks, "{requirement:?}");
            assert_eq!(requirement.accepts(api_key::SCHEME), asks, "{requirement:?}");
            assert!(!requirement.accepts(management_key::SCHEME), "{requirement:?}");
            assert!(requirement.conditions().eq(&conditions), "in the order in which they are written");
        }
    }
}
