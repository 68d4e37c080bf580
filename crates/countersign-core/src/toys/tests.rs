//! Tables over the walk, for kinds and a grant that the product does not have.

use proptest::prelude::{any, proptest};
use serde_json::Value;

use crate::carried::{Carried, NoSets};
use crate::effect::{Effect, Use};
use crate::environment::Environment;
use crate::exchange::{Action, Reason, issue};
use crate::grant::{Form, GrantError, TokenRequest, parse};
use crate::key_evidence::KeyEvidence;
use crate::kind::Kind;
use crate::ledger::{Found, Unavailable};
use crate::presentation::{recognise, recognises};
use crate::principal::Principal;
use crate::record::MarkRecord;
use crate::scheme::Scheme;
use crate::scope::ScopeSet;
use crate::standing::Watch;
use crate::testing::{NOW, at_once, scopes};
use crate::timestamp::{Monotonic, Timestamp};

use super::ground::{COST, Call, ROOM, World, requirement};
use super::{GATEWAY, GRANTS, assertion, bearer, connection};

const SOON: Timestamp = Timestamp::from_millis(NOW.millis() + 1);

fn room(spent: u32) -> u64 {
    u64::from(ROOM - spent)
}

impl World {
    /// Who is admitted, by the names of what proved them, or why nobody is.
    #[track_caller]
    fn admitted(&self, requires: &str, carried: &str) -> Result<Vec<String>, &'static str> {
        let answer = self.enter(requires, carried).unwrap().answer;
        let name = |member: &Principal| Some(self.ground.store.stored(member.credential()?)?.terms.name);
        match answer {
            Ok(admitted) => Ok(admitted.permit.members().iter().filter_map(name).collect()),
            Err(refused) => Err(refused.reason.code()),
        }
    }

    /// Proves the client with the toy of this name.
    fn client(&self, name: &str) -> Principal {
        let admission = self.enter("any bearer()", &format!("bearer toy_{name}")).unwrap();
        admission.answer.unwrap().permit.principal().clone()
    }
}

#[track_caller]
fn check(requires: &str, carried: &str, expected: Result<&[&str], &str>) {
    let admitted = World::new().admitted(requires, carried);
    let expected = expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(admitted, expected, "{requires} <- {carried}");
}

#[test]
fn any_takes_one_credential() {
    const BOTH: &str = "any bearer(), connection()";
    check("any bearer()", "bearer toy_one", Ok(&["one"]));
    check("any bearer()", "x-api-key toy_one", Ok(&["one"]));
    check("any bearer()", "", Err("credential_required"));
    check("any anonymous()", "", Ok(&[]));
    check("any anonymous(), bearer()", "bearer toy_one", Ok(&["one"]));
    check("any anonymous(), bearer()", "bearer toy_nobody", Err("unknown"));
    check("any anonymous()", "bearer toy_one", Err("not_accepted"));
    check("any connection()", "bearer toy_one | cert 1", Err("not_accepted"));
    check("any bearer()", "bearer toy_", Err("malformed"));
    check("any bearer()", "bearer else", Err("unrecognised"));
    check("any bearer()", "bearer toy_one | x-api-key toy_one", Err("ambiguous"));
    check("any bearer()", "bearer toy_gone", Err("revoked"));
    check(BOTH, "cert 1", Ok(&["cert one"]));
    check(BOTH, "bearer toy_two | cert 1", Ok(&["two"]));
    check("any connection()", "cert 9", Err("unknown"));
    // What the platform sends along and no list names is not looked at, not even to refuse it.
    check("any bearer()", "bearer toy_one | cert 9", Ok(&["one"]));
    check("any anonymous()", "cert 9", Ok(&[]));
}

#[test]
fn what_the_platform_sends_along_counts_where_it_is_listed_and_alone() {
    const BOTH: &str = "any bearer(), connection()";
    check("any bearer()", "cookie toy=toy_one", Ok(&["one"]));
    check("any bearer()", "cookie other=toy_one", Err("credential_required"));
    check("any bearer()", "cookie toy=toy_one; toy=toy_two", Err("ambiguous"));
    check("any bearer()", "cookie toy=toy_one | cert 1", Ok(&["one"]));
    check(BOTH, "cookie toy=toy_one | cert 1", Err("ambiguous"));
    check(BOTH, "bearer toy_two | cookie toy=toy_one | cert 1", Ok(&["two"]));
    // Two conditions on one kind are about the same credential.
    check("any connection(), connection(named=cert two)", "cert 1", Ok(&["cert one"]));
    check("any connection(named=cert two), connection()", "cert 1", Ok(&["cert one"]));
    check("all bearer(), connection()", "cookie toy=toy_one | cert 1", Ok(&["one", "cert one"]));
    check(
        "all bearer(), connection()",
        "bearer toy_one | cookie toy=toy_two | cert 1",
        Ok(&["one", "cert one"]),
    );
}

#[test]
fn conditions_are_the_kinds_and_everybodys() {
    check("any bearer()", "bearer toy_test", Err("wrong_environment"));
    check("any bearer(environment=test)", "bearer toy_test", Ok(&["test"]));
    check("any bearer(), bearer(environment=test)", "bearer toy_test", Ok(&["test"]));
    check("any bearer(scope=a b)", "bearer toy_one", Ok(&["one"]));
    check("any bearer(scope=a c)", "bearer toy_one", Err("insufficient_scope"));
    check("any bearer(environment=test), bearer(scope=c)", "bearer toy_one", Err("insufficient_scope"));
    check("any connection(named=cert two)", "cert 1", Err("wrong_name"));
    check("any connection(named=cert two)", "cert 2", Ok(&["cert two"]));
    let World { one, two, .. } = World::new();
    check(&format!("any bearer(owner={})", one.id), "bearer toy_one", Ok(&["one"]));
    check(&format!("any bearer(owner={})", one.organisation), "bearer toy_one", Ok(&["one"]));
    check(&format!("any bearer(owner={})", two.id), "bearer toy_one", Err("wrong_owner"));
}

#[test]
fn safety_6_all_takes_one_of_each_and_their_owners_agree() {
    const ALL: &str = "all bearer(scope=a), connection()";
    check(ALL, "bearer toy_one | cert 1", Ok(&["one", "cert one"]));
    check("all connection(), bearer()", "bearer toy_one | cert 1", Ok(&["cert one", "one"]));
    check(ALL, "bearer toy_one | cert 2", Err("owners_disagree"));
    check(ALL, "bearer toy_two | cert 1", Err("owners_disagree"));
    check("all-org bearer(), connection()", "bearer toy_one | cert 2", Ok(&["one", "cert two"]));
    check("all-org bearer(), connection()", "bearer toy_other | cert 2", Err("owners_disagree"));
    check(ALL, "bearer toy_one", Err("credential_required"));
    check(ALL, "cert 1", Err("credential_required"));
    check(ALL, "bearer toy_one | cert 9", Err("unknown"));
    check(ALL, "bearer toy_gone | cert 1", Err("revoked"));
    check("all bearer(scope=c), connection()", "bearer toy_one | cert 1", Err("insufficient_scope"));
    check("all bearer(), connection(named=cert two)", "bearer toy_one | cert 1", Err("wrong_name"));
    check("all connection()", "bearer toy_one | cert 1", Err("not_accepted"));
}

#[test]
fn every_member_of_a_permit_is_charged_or_none_is() {
    const ALL: &str = "all bearer(), connection()";
    let world = World::new();
    let admitted = world.enter(ALL, "bearer toy_one | cert 1").unwrap().answer.unwrap();
    let told = admitted.charges.iter().map(|charge| charge.levels.first().unwrap().remaining);
    assert!(told.eq([room(COST), room(COST)]));
    assert_eq!((world.left("one"), world.left("cert one")), (room(COST), room(COST)));
    let used = || world.ground.store.tables().used.clone();
    assert_eq!(used(), [world.named("one").id, world.named("cert one").id]);
    // The certificate alone is used up: the toy gets its charge back.
    while world.left("cert one") >= u64::from(COST) {
        world.enter("any connection()", "cert 1").unwrap().answer.unwrap();
    }
    let before = (used(), world.left("one"), world.left("cert one"));
    let refused = world.enter(ALL, "bearer toy_one | cert 1").unwrap().answer.unwrap_err();
    assert_eq!(refused.reason.code(), "quota_exceeded");
    assert_eq!(refused.audit.reason.as_deref(), Some("quota_exceeded"));
    assert_eq!((used(), world.left("one"), world.left("cert one")), before, "all of it or none");
}

#[test]
fn what_is_refused_costs_nothing_and_settles_nothing() {
    for (requires, carried) in [
        ("any bearer()", ""),
        ("any bearer()", "bearer toy_nobody"),
        ("any bearer()", "bearer toy_gone"),
        ("any bearer(scope=c)", "bearer toy_one"),
        // The one would be marked, were the other not refused.
        ("all bearer(), connection()", "bearer toy_one~1 | cert 9"),
        ("all bearer(scope=c), connection()", "bearer toy_one~1 | cert 1"),
        ("all bearer(), connection()", "bearer toy_one~1 | cert 2"),
    ] {
        let world = World::new();
        let refused = world.enter(requires, carried).unwrap().answer.unwrap_err();
        assert_eq!(refused.audit.reason.as_deref(), Some(refused.reason.code()), "{requires} <- {carried}");
        let tables = world.ground.store.tables();
        assert_eq!((tables.settled.len(), tables.used.len()), (0, 0), "{requires} <- {carried}");
        drop(tables);
        assert_eq!(world.left("one"), room(0), "{requires} <- {carried}");
    }
}

#[test]
fn safety_8_what_is_good_once_is_refused_the_second_time_and_that_costs() {
    let world = World::new();
    let enter = |once: u32| world.admitted("any bearer()", &format!("bearer toy_one~{once}"));
    assert_eq!(enter(1), Ok(vec!["one".into()]));
    assert_eq!(world.left("one"), room(COST));
    assert_eq!(enter(1), Err("replayed"));
    assert_eq!(world.left("one"), room(COST + bearer::FINE), "a refusal with effects");
    assert_eq!(enter(2), Ok(vec!["one".into()]));
    // Where the fine finds no room, that is what the caller is told.
    while world.left("one") >= u64::from(bearer::FINE) {
        assert_eq!(enter(1), Err("replayed"));
    }
    assert_eq!(enter(1), Err("quota_exceeded"));
}

#[test]
fn safety_8_a_settlement_that_is_lost_is_decided_again() {
    let world = World::new();
    let mark = Use::Mark { lookup: world.mark("1"), until: SOON };
    world.meanwhile(move |world| {
        world.known().settle(NOW, &[mark]).unwrap();
    });
    let again = world.admitted("any bearer()", "bearer toy_one~1");
    assert_eq!(again, Err("replayed"), "by the rule, not by the race");
    assert_eq!(world.left("one"), room(bearer::FINE), "the lost attempt took nothing");
    // What has ended meanwhile is found ended.
    let world = World::new();
    world.meanwhile(|world| {
        let id = world.named("one").id;
        world.ground.store.change(id, |one| one.revoked_at = Some(NOW));
        world.ground.store.tables().losing = 1;
    });
    assert_eq!(world.admitted("any bearer()", "bearer toy_one"), Err("revoked"));
    let world = World::new();
    world.ground.store.tables().losing = 1_000;
    assert_eq!(world.enter("any bearer()", "bearer toy_one").unwrap_err(), Unavailable::Contended);
}

#[test]
fn safety_4_what_asks_for_a_credential_is_not_decided_on_what_is_old() {
    let world = World::new();
    world.ground.store.tables().down = Some(Unavailable::Stale);
    for (requires, carried) in
        [("any bearer()", ""), ("any bearer()", "bearer toy_one"), ("any connection()", "cert 1")]
    {
        let refused = world.enter(requires, carried).unwrap_err();
        assert_eq!(refused, Unavailable::Stale, "{requires} <- {carried}");
    }
    assert_eq!(world.admitted("any anonymous()", ""), Ok(Vec::new()));
}

#[test]
fn safety_7_a_shadow_is_told_and_changes_nothing() {
    let world = World::new();
    for (shadow, expected) in [
        ("any bearer(scope=c)", Err("insufficient_scope")),
        ("any bearer(scope=a)", Ok(())),
        ("any connection()", Err("wrong_scheme")),
    ] {
        let (requirement, shadow) = (requirement("any bearer()"), requirement(shadow));
        let action =
            Action { name: "toys.play", requirement: &requirement, shadow: Some(&shadow), cost: COST };
        let admission = world.ask(&action, "bearer toy_one").unwrap();
        assert!(admission.answer.is_ok());
        assert_eq!(admission.shadow, Some(expected));
        let rejected = world.ask(&action, "bearer toy_nobody").unwrap();
        assert_eq!(rejected.shadow, None, "of nobody it says nothing");
    }
}

#[test]
fn rfc9110_11_6_1_a_challenge_names_what_a_caller_can_answer_with() {
    let refused = World::new().enter("any connection(), bearer(), bearer(scope=a)", "");
    let refused = refused.unwrap().answer.unwrap_err();
    let Reason::Challenge(challenge) = refused.reason else { panic!("{refused:?}") };
    assert_eq!(challenge.schemes, ["Bearer"], "once, and nothing for what HTTP cannot ask for");
}

#[test]
fn safety_18_every_member_has_a_standing_and_ends_with_it() {
    let world = World::new();
    let admission = world.enter("all bearer(), connection()", "bearer toy_one | cert 1").unwrap();
    let members: Vec<Principal> = admission.answer.unwrap().permit.members().iter().cloned().collect();
    let ends = |monotonic| {
        let watch = Watch { known: world.known(), now: NOW, monotonic: Monotonic(monotonic), address: None };
        members.iter().find_map(|member| member.standing().end(&watch))
    };
    assert_eq!(ends(0), Some("unavailable"));
    world.known().mark_fresh(Monotonic(0));
    assert_eq!(ends(0), None);
    let id = world.named("cert one").id;
    world.ground.store.change(id, |record| record.disabled_at = Some(NOW));
    assert_eq!(ends(0), Some("disabled"));
    world.ground.store.tables().credentials.remove(&id);
    assert_eq!(ends(0), Some("forgotten"));
}

#[test]
fn what_a_kind_knows_of_itself_is_its_own() {
    let client = World::new().client("one");
    let own = client.own::<bearer::ToyEvidence>().map(|own| own.environment);
    assert_eq!(own, Some(Environment::Live));
    assert!(client.own::<KeyEvidence>().is_none());
}

#[test]
fn a_kind_reads_its_settings_strictly() {
    let read = |kind: &Kind, name: &str, value: Value| {
        let settings = [(name.to_owned(), value)].into_iter().collect();
        kind.condition(&settings).map(|_| ()).map_err(|refused| refused.setting)
    };
    let refused = |setting: &str| Err(setting.to_owned());
    assert_eq!(read(&bearer::KIND, "environment", "test".into()), Ok(()));
    assert_eq!(read(&bearer::KIND, "enviroment", "test".into()), refused("toy_bearer.enviroment"));
    assert_eq!(read(&bearer::KIND, "environment", "tests".into()), refused("toy_bearer.environment"));
    assert_eq!(read(&bearer::KIND, "environment", 1.into()), refused("toy_bearer.environment"));
    assert_eq!(read(&bearer::KIND, "named", "x".into()), refused("toy_bearer.named"), "another kind's");
    assert_eq!(read(&bearer::KIND, "owner", "x".into()), refused("toy_bearer.owner"));
    assert_eq!(read(&bearer::KIND, "scope", "a\u{7}".into()), refused("toy_bearer.scope"));
    assert_eq!(read(&bearer::KIND, "scope", vec!["a", "b"].into()), Ok(()));
    assert_eq!(read(&connection::KIND, "named", "x".into()), Ok(()));
    assert_eq!(read(&connection::KIND, "named", 1.into()), refused("toy_connection.named"));
    // A reload compares.
    assert_eq!(requirement("any bearer()"), requirement("any bearer(environment=live)"));
    assert_ne!(requirement("any bearer()"), requirement("any bearer(environment=test)"));
    assert_ne!(requirement("any bearer()"), requirement("any connection()"));
}

#[test]
fn what_is_presented_prints_its_scheme_and_no_secret() {
    let (world, call) = (World::new(), Call::of("bearer toy_one"));
    let presented = recognise(GATEWAY, &call.head(world.known()), &requirement("any bearer()")).unwrap();
    let printed = format!("{presented:?}");
    assert!(printed.contains("toy_bearer") && !printed.contains("toy_one"), "{printed}");
}

#[test]
fn a_register_tells_which_schemes_it_recognises() {
    for (scheme, expected) in [
        (bearer::SCHEME, true),
        (connection::SCHEME, true),
        (crate::api_key::SCHEME, false),
        (Scheme::ANONYMOUS, false),
    ] {
        assert_eq!(recognises(GATEWAY, scheme), expected, "{scheme:?}");
    }
}

proptest! {
    #[test]
    fn at_most_one_row_recognises_anything(text in "(toy_)?[ -~]{0,20}", byte in any::<u8>()) {
        let call = Call::of(&format!("cert {byte}"));
        let (connection, text) = (&call.connection, text.as_str());
        for carried in [
            Carried::Basic(text),
            Carried::Bearer(text),
            Carried::Certificate(connection, connection.certificate.as_ref().unwrap()),
            Carried::Cookie { name: text, value: text },
            Carried::Dpop { token: text, proof: text },
            Carried::KeyField { field: "x-api-key", text },
            Carried::Signature { id: text, signatures: text },
            Carried::Told(text),
        ] {
            let rows = GATEWAY.iter().filter(|row| row.recognise(carried, &NoSets).is_some()).count();
            assert!(rows <= 1, "{carried:?} {text}");
        }
    }
}

/// Reads a token request.
fn read(parameters: &[(&str, &str)]) -> Result<Box<dyn TokenRequest>, GrantError> {
    let pairs = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    parse(GRANTS, &Form::new(pairs)?)
}

/// An assertion of the client `one`, and what more is asked.
fn asserted(world: &World, scope: &str) -> Box<dyn TokenRequest> {
    let text = assertion::assertion(&world.ground.peppers, "1", world.one.id);
    read(&[("grant_type", "toy_assertion"), ("assertion", &text), ("scope", scope)]).unwrap()
}

fn redeem(
    world: &World,
    client: &Principal,
    request: &dyn TokenRequest,
) -> Result<Result<ScopeSet, GrantError>, Unavailable> {
    world.walk(|context| at_once(issue(world, context, &assertion::Anything, client, request)))
}

#[test]
fn rfc6749_5_2_what_is_no_request_is_told_apart() {
    let good = assertion::assertion(&World::new().ground.peppers, "1", World::new().one.id);
    let (grant, text) = (("grant_type", "toy_assertion"), ("assertion", good.as_str()));
    for (parameters, expected) in [
        (vec![], Some("invalid_request")),
        (vec![text], Some("invalid_request")),
        (vec![("grant_type", ""), text], Some("invalid_request")),
        (vec![("grant_type", "other"), text], Some("unsupported_grant_type")),
        (vec![grant], Some("invalid_request")),
        (vec![grant, ("assertion", "x")], Some("invalid_request")),
        (vec![grant, text, text], Some("invalid_request")),
        (vec![grant, text, ("scope", "a\u{7}")], Some("invalid_scope")),
        (vec![grant, text], None),
    ] {
        assert_eq!(read(&parameters).err().map(GrantError::code), expected, "{parameters:?}");
    }
}

#[test]
fn a_grant_is_redeemed_by_its_client_alone_and_within_its_scope() {
    let world = World::new();
    let (one, two) = (world.client("one"), world.client("two"));
    let nobody = world.enter("any anonymous()", "").unwrap().answer.unwrap().permit.principal().clone();
    let forged = read(&[("grant_type", "toy_assertion"), ("assertion", "1.x")]).unwrap();
    for (client, request, expected) in [
        (&nobody, asserted(&world, "a"), "unauthorized_client"),
        (&two, asserted(&world, "a"), "invalid_grant"),
        (&one, forged, "invalid_grant"),
        (&one, asserted(&world, "c"), "invalid_scope"),
    ] {
        let refused = redeem(&world, client, &*request).unwrap().unwrap_err();
        assert_eq!(refused.code(), expected);
        let (committed, filed) = world.ground.store.lines();
        assert_eq!(
            (committed, filed.unwrap().reason.as_deref()),
            (None, Some(expected)),
            "no commit is bought"
        );
    }
    assert_eq!(redeem(&world, &one, &*asserted(&world, "a")), Ok(Ok(scopes("a"))));
    assert_eq!(world.ground.store.tables().committed.len(), 1);
}

#[test]
fn a_grant_is_redeemed_once_and_a_replay_ends_the_credential() {
    let world = World::new();
    let (one, request) = (world.client("one"), asserted(&world, "a"));
    assert!(redeem(&world, &one, &*request).unwrap().is_ok());
    assert_eq!(redeem(&world, &one, &*request), Ok(Err(GrantError::InvalidGrant)));
    let line = world.ground.store.lines().0.unwrap();
    assert_eq!(line.reason.as_deref(), Some("invalid_grant"), "a refusal with effects is committed");
    assert_eq!(world.admitted("any bearer()", "bearer toy_one"), Err("revoked"));
    assert_eq!(world.admitted("any bearer()", "bearer toy_two"), Ok(vec!["two".into()]));
}

#[test]
fn a_redemption_that_is_lost_is_decided_again_as_a_replay() {
    let world = World::new();
    let (one, request) = (world.client("one"), asserted(&world, "a"));
    world.meanwhile(|world| {
        let mark = MarkRecord { lookup: world.mark("1"), made: String::new(), until: SOON };
        let line =
            crate::audit::AuditEvent::granted(NOW, "toy_assertion.redeem", crate::audit::Actor::SYSTEM);
        assert!(world.ground.store.take(vec![Effect::Mark(mark)], vec![line]));
    });
    assert_eq!(redeem(&world, &one, &*request), Ok(Err(GrantError::InvalidGrant)));
    assert_eq!(world.admitted("any bearer()", "bearer toy_one"), Err("revoked"));
    let world = World::new();
    world.ground.store.tables().losing = 1_000;
    assert_eq!(redeem(&world, &one, &*request), Err(Unavailable::Contended));
    world.ground.store.tables().down = Some(Unavailable::Stale);
    assert_eq!(redeem(&world, &one, &*request), Err(Unavailable::Stale));
}

#[test]
fn an_answer_to_another_question_is_a_breakdown_and_no_refusal() {
    let (world, request) = (World::new(), asserted(&World::new(), "a"));
    let one = world.client("one");
    let decided = world.walk(|context| request.decide(context, &one, Found::Nothing).map(|_| ()));
    assert_eq!(decided, Err(Unavailable::Misanswered));
}
