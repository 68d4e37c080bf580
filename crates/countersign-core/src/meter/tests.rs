use super::{Allowance, Every, Meters, Spent};
use crate::context::SeededEntropy;
use crate::id::CredentialId;
use crate::id::IdPrefix;
use crate::timestamp::Timestamp;

fn allowance(name: &str, amount: u32, every: &str) -> Allowance {
    Allowance { name: name.parse().unwrap(), amount, every: every.parse().unwrap() }
}

fn id() -> CredentialId {
    CredentialId::random(IdPrefix::new("key"), &mut SeededEntropy::new(1))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

/// Charges one by one: `+` passes, `-` is refused.
fn charges(meters: &Meters, allowances: &[Allowance], times: &[(i64, u32)]) -> String {
    let meter = meters.share(id(), allowances).unwrap();
    let sign = |&(second, cost)| if meters.charge(&meter, at(second), cost).is_ok() { '+' } else { '-' };
    times.iter().map(sign).collect()
}

#[track_caller]
fn check(allowances: &[Allowance], times: &[(i64, u32)], expected: &str) {
    assert_eq!(charges(&Meters::default(), allowances, times), expected, "{times:?}");
}

#[test]
fn a_window_holds_its_amount_and_the_next_begins_anew() {
    let two = [allowance("burst", 2, "10s")];
    check(&two, &[(0, 1), (9, 1), (9, 1), (10, 1), (19, 1), (19, 1), (20, 1)], "++-++-+");
    check(&two, &[(0, 2), (1, 1), (10, 3), (10, 2)], "+--+");
    check(&[allowance("burst", 0, "10s")], &[(0, 1), (10, 1)], "--");
}

#[test]
fn steady_use_below_the_limit_is_never_denied() {
    // better-auth anchored its window to the last request: a key used once per 23 hours was denied after ten uses.
    let ten_a_day = [allowance("day", 10, "1d")];
    let times: Vec<_> = (0..100).map(|n| (n * 23 * 3_600, 1)).collect();
    check(&ten_a_day, &times, &"+".repeat(100));
}

#[test]
fn several_allowances_are_charged_together_or_not_at_all() {
    let both = [allowance("burst", 2, "10s"), allowance("hour", 3, "1h")];
    check(&both, &[(0, 1), (1, 1), (2, 1), (10, 1), (20, 1), (3_600, 1)], "++-+-+");
    let meters = Meters::default();
    charges(&meters, &both, &[(0, 1), (0, 1), (0, 1), (0, 1)]);
    let meter = meters.share(id(), &both).unwrap();
    let level = meters.charge(&meter, at(11), 1).unwrap().levels;
    assert_eq!(level.iter().map(|one| one.remaining).collect::<Vec<_>>(), [1, 0], "refusals cost nothing");
}

#[test]
fn a_cost_of_nothing_only_looks() {
    check(&[allowance("burst", 1, "10s")], &[(0, 0), (0, 0), (0, 1), (0, 0)], "+++-");
}

#[test]
fn a_clock_that_goes_back_refills_nothing() {
    check(&[allowance("burst", 2, "10s")], &[(50, 1), (50, 1), (20, 1), (25, 1), (30, 1)], "++--+");
}

#[test]
fn a_month_is_the_calendars_and_ever_is_ever() {
    // 1767225599 is 2025-12-31T23:59:59Z.
    check(
        &[allowance("quota", 1, "month")],
        &[(1_767_225_599, 1), (1_767_225_600, 1), (1_769_000_000, 1)],
        "++-",
    );
    check(&[allowance("quota", 2, "ever")], &[(0, 1), (1_767_225_600, 1), (1_867_225_600, 1)], "++-");
    let (_, end) = Every::Month.window(at(1_767_225_599));
    assert_eq!(end.unwrap().to_string(), "2026-01-01T00:00:00Z");
}

#[test]
fn a_hundred_parallel_charges_of_ten_pass_exactly_ten_times() {
    let meters = Meters::default();
    let meter = meters.share(id(), &[allowance("quota", 10, "ever")]).unwrap();
    let passed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..100).map(|_| scope.spawn(|| usize::from(meters.charge(&meter, at(1), 1).is_ok()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(passed, 10);
}

#[test]
fn what_others_spent_counts_and_what_is_told_is_told_once() {
    let meters = Meters::default();
    let five = [allowance("burst", 5, "10s")];
    assert_eq!(charges(&meters, &five, &[(0, 1), (0, 1)]), "++");
    let told = meters.touched();
    assert_eq!(told, [Spent { meter: id(), allowance: "burst/10s".into(), window: 0, spent: 2 }]);
    assert!(meters.touched().is_empty());
    let others = |spent| Spent { meter: id(), allowance: "burst/10s".into(), window: 0, spent };
    meters.absorb(&[others(1), others(1)]);
    assert_eq!(charges(&meters, &five, &[(1, 1), (1, 1), (10, 5)]), "+-+");
    meters.absorb(&[others(5)]);
    assert_eq!(charges(&meters, &five, &[(19, 1)]), "-", "a window that has passed changes nothing");
}

#[test]
fn a_node_that_was_started_again_remembers() {
    let meters = Meters::default();
    let three = [allowance("quota", 3, "ever")];
    let meter = meters.share(id(), &three).unwrap();
    meters.resume(&[Spent { meter: id(), allowance: "quota/ever".into(), window: 0, spent: 2 }]);
    assert!(meters.charge(&meter, at(1), 1).is_ok());
    let exceeded = meters.charge(&meter, at(1), 1).unwrap_err();
    assert_eq!((exceeded.code(), exceeded.binding().unwrap().resets_at), ("quota_exceeded", None));
}

#[test]
fn other_terms_keep_what_was_spent() {
    let meters = Meters::default();
    charges(&meters, &[allowance("burst", 3, "10s")], &[(0, 1), (0, 1), (0, 1)]);
    let raised = [allowance("burst", 4, "10s"), allowance("hour", 1, "1h")];
    assert_eq!(charges(&meters, &raised, &[(1, 1), (1, 1)]), "+-");
}

#[test]
fn keys_of_one_line_share_what_was_spent_and_have_limits_of_their_own() {
    let meters = Meters::default();
    let (old, new) = ([allowance("quota", 3, "ever")], [allowance("quota", 5, "ever")]);
    assert_eq!(charges(&meters, &old, &[(0, 1), (0, 1), (0, 1), (0, 1)]), "+++-");
    assert_eq!(charges(&meters, &new, &[(0, 1), (0, 1), (0, 1)]), "++-");
    assert_eq!(charges(&meters, &old, &[(0, 1)]), "-", "whichever was looked at last");
    // A key of the line that has no limit, or was read again, takes nothing from the others.
    assert!(meters.share(id(), &[]).is_none());
    assert_eq!(charges(&meters, &new, &[(0, 1)]), "-");
    meters.resume(&[Spent { meter: id(), allowance: "day/1d".into(), window: 0, spent: 1 }]);
    assert_eq!(
        charges(&meters, &[allowance("day", 1, "1d")], &[(0, 1)]),
        "-",
        "read before it was ever charged"
    );
    assert_eq!(
        charges(&meters, &[allowance("day", 1, "12h")], &[(0, 1)]),
        "+",
        "another window is another count"
    );
}
