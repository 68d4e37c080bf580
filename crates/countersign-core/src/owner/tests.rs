//! Who switches whom, as a table.

use crate::authority::Authority;
use crate::decision::Permit;
use crate::id::OwnerKind;
use crate::owner::SwitchOwner;
use crate::record::OwnerRecord;
use crate::refusal::Refusal;
use crate::switching::Switch;
use crate::testing::{Ground, NOW, forget, revoke};

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
