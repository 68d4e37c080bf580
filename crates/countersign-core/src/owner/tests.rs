//! Who enters and switches whom, as tables.

use crate::authority::Authority;
use crate::decision::Permit;
use crate::id::OwnerKind;
use crate::owner::{Enter, SwitchOwner, first_organisation};
use crate::record::OwnerRecord;
use crate::refusal::Refusal;
use crate::switching::Switch;
use crate::tally::{Kept, Tally};
use crate::testing::{Caller, Ground, NOW, forget, revoke};

const OPERATOR: &str = "operator owners:write keys:write management-keys:write";

/// An owner of the first organisation, or that itself.
fn owner(ground: &mut Ground, kind: OwnerKind) -> OwnerRecord {
    let organisation = ground.organisation.clone();
    if kind == OwnerKind::Organisation { organisation } else { ground.member(kind, &organisation) }
}

fn switch(
    ground: &mut Ground,
    permit: &Permit,
    switch: Switch,
    owner: &OwnerRecord,
) -> Result<OwnerRecord, Refusal> {
    ground.store.keep_owner(owner);
    ground.perform(permit, &SwitchOwner { id: owner.id, switch })
}

#[test]
fn safety_13_nobody_locks_out_who_can_do_more() {
    let tenant = ("owners:write keys:write", "orders:*");
    let excess =
        |scope: &str| Err(Refusal::Outranked(Box::new(Refusal::ExcessScope(scope.parse().unwrap()))));
    let (user, organisation) = (OwnerKind::User, OwnerKind::Organisation);
    let rows = [
        (tenant, user, None, Ok(())),
        (tenant, user, Some(("keys:write", "orders:read")), Ok(())),
        (tenant, user, Some((OPERATOR, "*")), excess("management-keys:write")),
        (tenant, user, Some(("operator", "")), excess("operator")),
        (tenant, user, Some(("audit:read", "")), excess("audit:read")),
        (tenant, user, Some(("keys:write", "settle")), excess("settle")),
        (tenant, user, Some(("keys:write", "key_set:partner")), excess("key_set:partner")),
        (tenant, organisation, None, Err(Refusal::OwnerNotFound)),
        (("operator owners:write", ""), organisation, Some(("keys:write", "orders:*")), Ok(())),
        (("operator owners:write", ""), user, Some((OPERATOR, "")), excess("keys:write")),
        (("operator owners:write", ""), organisation, Some((OPERATOR, "")), excess("keys:write")),
        ((OPERATOR, "*"), organisation, Some((OPERATOR, "*")), Ok(())),
    ];
    for ((scopes, grantable), kind, key, expected) in rows {
        let mut ground = Ground::new();
        let mut owner = owner(&mut ground, kind);
        let permit = ground.caller(scopes, grantable);
        if let Some((scopes, grantable)) = key {
            ground.management_key(&owner, scopes, grantable);
        }
        let disabled = switch(&mut ground, &permit, Switch::Disabled, &owner);
        assert_eq!(disabled.map(|_| ()), expected, "disable: {key:?}");
        (owner.disabled_at, owner.disabled_by) = (Some(NOW), Some(Authority::Organisation));
        let enabled = switch(&mut ground, &permit, Switch::Enabled, &owner);
        assert_eq!(enabled.map(|_| ()), expected, "enable: {key:?}");
    }
}

#[test]
fn safety_13_nobody_ends_a_management_key_that_can_do_more() {
    let mut ground = Ground::new();
    let owner = owner(&mut ground, OwnerKind::User);
    for (scopes, grantable, held_scopes, may) in [
        ("management-keys:write", "", "management-keys:write", true),
        ("management-keys:write", "", "keys:write", false),
        ("management-keys:write", "*", "operator", false),
        ("operator management-keys:write", "", "keys:write", true),
        ("operator management-keys:write", "", "operator keys:write", false),
        (OPERATOR, "*", OPERATOR, true),
    ] {
        let permit = ground.caller(scopes, grantable);
        let id = ground.management_key(&owner, held_scopes, "").0.id;
        let expected = if may { Ok(()) } else { Err("outranked") };
        let revoked = ground.perform(&permit, &revoke(id));
        assert_eq!(revoked.map(|_| ()).map_err(|refusal| refusal.code()), expected, "{scopes} {held_scopes}");
        let forgotten = ground.perform(&permit, &forget(id));
        assert_eq!(forgotten.map_err(|refusal| refusal.code()), expected, "{scopes} {held_scopes}");
        assert_eq!(ground.store.stored(id).is_none(), may);
    }
}

#[test]
fn a_management_key_that_has_ended_protects_nobody() {
    let mut ground = Ground::new();
    let owner = owner(&mut ground, OwnerKind::User);
    let mut key = ground.management_key(&owner, OPERATOR, "*").0;
    let tenant = ground.caller("owners:write", "");
    assert!(switch(&mut ground, &tenant, Switch::Disabled, &owner).is_err());
    key.expires_at = Some(NOW);
    ground.store.keep(&key);
    assert!(switch(&mut ground, &tenant, Switch::Disabled, &owner).is_ok());
}

#[test]
fn safety_13_a_tenant_does_not_enable_what_an_operator_has_disabled() {
    let mut ground = Ground::new();
    let (tenant, operator) = (ground.caller("owners:write", ""), ground.caller(OPERATOR, "*"));
    let owner = owner(&mut ground, OwnerKind::Client);
    let mut switch = |permit, to, owner: &OwnerRecord| switch(&mut ground, permit, to, owner);
    let by_tenant = switch(&tenant, Switch::Disabled, &owner).unwrap();
    assert_eq!(by_tenant.disabled_by, Some(Authority::Organisation));
    assert!(switch(&tenant, Switch::Enabled, &by_tenant).is_ok());
    let by_both = switch(&operator, Switch::Disabled, &by_tenant).unwrap();
    for disabled in [switch(&operator, Switch::Disabled, &owner).unwrap(), by_both] {
        let refused = switch(&tenant, Switch::Enabled, &disabled);
        assert_eq!(refused, Err(Refusal::DisabledAbove(Authority::Operator)));
        let enabled = switch(&operator, Switch::Enabled, &disabled).unwrap();
        assert_eq!((enabled.disabled_at, enabled.disabled_by), (None, None));
    }
}

#[test]
fn safety_13_nobody_switches_beyond_their_reach() {
    let mut ground = Ground::new();
    let (home, away) = (ground.organisation.clone(), ground.stranger());
    let (one, two) = (ground.member(OwnerKind::Client, &home), ground.member(OwnerKind::User, &home));
    for (who, held, owner, may) in [
        (&home, "", &one, true),
        (&home, "", &two, true),
        (&home, "", &home, false),
        (&home, "", &away, false),
        (&away, "", &one, false),
        (&one, "", &one, true),
        (&one, "", &two, false),
        (&one, "", &home, false),
        (&away, "operator", &one, true),
        (&away, "operator", &home, true),
    ] {
        let permit = Caller::of(who).holding(held).permit();
        let expected = if may { Ok(()) } else { Err(Refusal::OwnerNotFound) };
        let switched = switch(&mut ground, &permit, Switch::Disabled, owner);
        assert_eq!(switched.map(|_| ()), expected, "{who:?} {held} {owner:?}");
    }
    ground.store.tables().owners.remove(&one.id);
    let act = SwitchOwner { id: one.id, switch: Switch::Disabled };
    assert_eq!(ground.perform(&ground.caller("operator", ""), &act), Err(Refusal::OwnerNotFound));
}

#[test]
fn a_switch_is_stored_and_has_a_line_that_its_tenant_may_read() {
    let mut ground = Ground::new();
    let owner = owner(&mut ground, OwnerKind::Client);
    let tenant = ground.caller("owners:write", "");
    for (to, action, disabled, version) in
        [(Switch::Disabled, "owner.disable", Some(NOW), 2), (Switch::Enabled, "owner.enable", None, 3)]
    {
        let switched = ground.perform(&tenant, &SwitchOwner { id: owner.id, switch: to }).unwrap();
        assert_eq!((switched.disabled_at, switched.version), (disabled, version));
        assert_eq!(ground.store.tables().owners.get(&owner.id), Some(&switched));
        let line = ground.store.lines().0.unwrap();
        assert_eq!((line.action.as_ref(), line.subject), (action, Some(owner.id.to_string())));
        assert_eq!(line.organisation, Some(owner.organisation));
        assert!(line.details.contains(&("name".into(), owner.name.clone())));
    }
}

#[test]
fn who_is_entered_by_whom() {
    use OwnerKind::{Client, Organisation, User};
    let mut ground = Ground::new();
    let (home, away) = (ground.organisation.clone(), ground.stranger());
    let client = ground.member(Client, &home);
    let gone = Ground::new().member(Client, &home);
    for (who, held, kind, within, expected) in [
        (&home, "", Client, None, Some(&home)),
        (&home, "", User, Some(&home), Some(&home)),
        (&home, "", Client, Some(&away), None),
        (&away, "", Client, None, None),
        (&client, "", Client, Some(&home), None),
        (&home, "", Client, Some(&client), None),
        (&home, "operator", Client, Some(&client), None),
        (&home, "operator", Client, Some(&gone), None),
        (&home, "operator", User, Some(&away), Some(&away)),
        (&away, "operator", User, None, Some(&home)),
        (&home, "", Organisation, None, None),
        (&client, "", Organisation, None, None),
    ] {
        let permit = Caller::of(who).holding(held).permit();
        let asked = Enter { kind, name: "new".into(), organisation: within.map(|owner| owner.id) };
        let entered = ground.perform(&permit, &asked);
        let expected = expected.map(|owner| owner.id).ok_or(Refusal::OwnerNotFound);
        assert_eq!(entered.as_ref().map(|owner| owner.organisation), expected.as_ref().copied(), "{asked:?}");
        let Ok(owner) = entered else { continue };
        assert_eq!((owner.id.kind(), owner.name.as_str(), owner.version), (kind, "new", 1));
        assert_eq!((owner.created_at, owner.disabled_at, owner.disabled_by), (NOW, None, None));
        assert_eq!(ground.store.tables().owners.get(&owner.id), Some(&owner));
        let line = ground.store.lines().0.unwrap();
        assert_eq!((line.action.as_ref(), line.subject), ("owner.enter", Some(owner.id.to_string())));
        assert_eq!(line.organisation, Some(owner.organisation));
        assert!(line.details.contains(&("name".into(), "new".into())));
    }
}

#[test]
fn an_operator_enters_organisations_and_the_first_is_there_before() {
    let mut ground = Ground::new();
    let asked = Enter { kind: OwnerKind::Organisation, name: "globex".into(), organisation: None };
    let entered = ground.perform(&ground.caller("operator", ""), &asked).unwrap();
    assert_eq!(entered.organisation, entered.id, "it belongs to itself");
    let first = first_organisation(&mut ground.context());
    let (line, record) = (first.audit.clone(), first.answer.unwrap());
    assert_eq!((record.organisation, record.name.as_str()), (record.id, "default"));
    assert_eq!((line.organisation, line.subject.clone()), (Some(record.id), Some(record.id.to_string())));
    assert!(ground.store.take(first.effects, vec![line]));
    assert_eq!(ground.store.tables().owners.get(&record.id), Some(&record));
}

#[test]
fn a_name_is_checked_and_a_refusal_is_the_callers_business() {
    let mut ground = Ground::new();
    for (name, expected) in [("", Err("invalid_name")), ("a\nb", Err("invalid_name")), ("a", Ok(()))] {
        let asked = Enter { kind: OwnerKind::User, name: name.into(), organisation: None };
        let entered = ground.perform(&ground.caller("", ""), &asked);
        assert_eq!(entered.map(|_| ()).map_err(|refusal| refusal.code()), expected, "{name:?}");
    }
    let line = ground.store.lines().1.unwrap();
    assert_eq!((line.action.as_ref(), line.subject.as_deref()), ("owner.enter", Some("user")));
    assert_eq!(
        (line.organisation, line.reason.as_deref()),
        (Some(ground.organisation.id), Some("invalid_name"))
    );
}

#[test]
fn a_tenant_enters_clients_up_to_its_cap_and_an_operator_beyond() {
    let enter = Enter { kind: OwnerKind::Client, name: "c".into(), organisation: None };
    let full = || Err(Refusal::Full(Kept::Members, 3));
    for (held, members, expected) in
        [("owners:write", 2, Ok(())), ("owners:write", 3, full()), ("operator owners:write", 3, Ok(()))]
    {
        let mut ground = Ground::new();
        ground.policy.tenant_max_owners = 3;
        ground.store.tables().others = Tally { credentials: 1_000_000, members };
        let entered = ground.perform(&ground.caller(held, ""), &enter);
        assert_eq!(entered.map(|_| ()), expected, "{held} {members}");
    }
    let mut ground = Ground::new();
    ground.policy.tenant_max_owners = 3;
    ground.store.meanwhile(|tables| tables.others.members = 3);
    assert_eq!(
        ground.perform(&ground.caller("", ""), &enter).map(|_| ()),
        full(),
        "what was room for is none"
    );
}
