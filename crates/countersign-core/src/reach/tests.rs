//! Who reaches what, as tables.

use crate::authority::Authority;
use crate::id::OwnerKind;
use crate::reach::{ManagementScope, Reach, authority, reach};
use crate::testing::{Caller, Ground};

#[test]
fn safety_13_a_word_reaches_as_far_as_its_owner_and_an_operators_everywhere() {
    let mut ground = Ground::new();
    let home = ground.organisation.clone();
    let (client, user) = (ground.member(OwnerKind::Client, &home), ground.member(OwnerKind::User, &home));
    let everywhere = (Reach::Installation, Authority::Operator);
    for (caller, held, expected) in [
        (Caller::of(&home), "keys:write", (Reach::Organisation(home.id), Authority::Organisation)),
        (Caller::of(&client), "keys:write", (Reach::Owner(client.id), Authority::Owner)),
        (Caller::of(&user), "", (Reach::Owner(user.id), Authority::Owner)),
        (Caller::nobody(), "keys:write", (Reach::Nothing, Authority::Owner)),
        (Caller::of(&home), "keys:write operator", everywhere),
        (Caller::of(&client), "operator", everywhere),
        (Caller::nobody(), "operator", everywhere),
        (Caller::of(&home), "operators", (Reach::Organisation(home.id), Authority::Organisation)),
    ] {
        let principal = caller.holding(held).principal();
        assert_eq!((reach(&principal), authority(&principal)), expected, "{held}");
    }
}

#[test]
fn safety_13_a_record_is_within_reach_or_it_is_not() {
    let mut ground = Ground::new();
    let (home, away) = (ground.organisation.clone(), ground.stranger());
    let (one, two) = (ground.member(OwnerKind::Client, &home), ground.member(OwnerKind::Client, &home));
    // Which of these are included: the organisation itself, its two clients, another organisation.
    let all = [&home, &one, &two, &away];
    for (reach, expected) in [
        (Reach::Installation, [true, true, true, true]),
        (Reach::Organisation(home.id), [true, true, true, false]),
        (Reach::Organisation(away.id), [false, false, false, true]),
        (Reach::Owner(one.id), [false, true, false, false]),
        (Reach::Nothing, [false, false, false, false]),
    ] {
        assert_eq!(all.map(|owner| reach.includes(owner.organisation, owner.id)), expected, "{reach:?}");
    }
}

#[test]
fn everything_is_every_scope_in_the_order_of_their_names() {
    let names = ManagementScope::ALL.map(ManagementScope::name);
    assert!(names.is_sorted());
    assert!(ManagementScope::everything().iter().map(|scope| scope.as_str()).eq(names));
}
