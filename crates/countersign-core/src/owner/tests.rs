//! Who switches whom, as a table.

use std::sync::Arc;

use crate::authority::Authority;
use crate::context::{Context, Policy, SeededEntropy};
use crate::decision::{Condition, Decision, Permit, Requirement, decide};
use crate::environment::Environment;
use crate::exchange::Act;
use crate::id::{CredentialKind, OwnerId, OwnerKind};
use crate::known::KnownOwner;
use crate::ledger::Found;
use crate::lifecycle::{Forget, Revoke};
use crate::owner::SwitchOwner;
use crate::principal::{Principal, Proof, Scheme};
use crate::record::{CredentialRecord, OwnerRecord, Terms};
use crate::refusal::Refusal;
use crate::scope::Grantable;
use crate::secret::{Pepper, Peppers, Secret};
use crate::switching::Switch;
use crate::timestamp::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const OPERATOR: &str = "operator owners:write keys:write management-keys:write";

fn id(kind: OwnerKind, seed: u64) -> OwnerId {
    OwnerId::random(kind, &mut SeededEntropy::new(seed))
}

/// An owner of the organisation 1.
fn record(kind: OwnerKind) -> OwnerRecord {
    let organisation = id(OwnerKind::Organisation, 1);
    let id = if kind == OwnerKind::Organisation { organisation } else { id(kind, 2) };
    let name = "acme".to_owned();
    OwnerRecord { id, organisation, name, version: 1, created_at: NOW, disabled_at: None, disabled_by: None }
}

fn caller(scopes: &str, grantable: &str) -> Permit {
    let principal = Principal::assertion(Proof {
        scheme: Scheme::ManagementKey,
        credential: None,
        owner: Some(Arc::new(KnownOwner::new(id(OwnerKind::Organisation, 1), None, true))),
        prefix: None,
        environment: Environment::Live,
        scopes: Arc::new(scopes.parse().unwrap()),
        grantable: Arc::new(Grantable::new(grantable.parse().unwrap())),
    });
    let asked = Requirement::Any(vec![Condition::of(Scheme::ManagementKey)]);
    let Decision::Permit(permit) = decide(Some(principal), &asked) else { panic!("not permitted") };
    permit
}

fn held(owner: &OwnerRecord, scopes: &str, grantable: &str) -> CredentialRecord {
    let grantable = Grantable::new(grantable.parse().unwrap());
    let prefix = "cs_mgmt".parse().unwrap();
    let terms =
        Terms { grantable, ..Terms::new("m".into(), prefix, Environment::Live, scopes.parse().unwrap()) };
    CredentialRecord::draft(CredentialKind::ManagementKey, owner, None, terms)
}

fn switch(
    permit: &Permit,
    switch: Switch,
    owner: &OwnerRecord,
    management_keys: Vec<CredentialRecord>,
) -> Result<OwnerRecord, Refusal> {
    let peppers = Peppers::new(Pepper::new(1, &Secret::new([7; 32])), Vec::new());
    let (mut entropy, policy) = (SeededEntropy::new(1), Policy::default());
    let mut context =
        Context { now: NOW, entropy: &mut entropy, peppers: &peppers, policy: &policy, address: None };
    let found = Found::Owner { owner: Some(Box::new(owner.clone())), management_keys };
    SwitchOwner { id: owner.id, switch }.decide(&mut context, permit, found).answer
}

#[test]
fn safety_13_nobody_locks_out_who_can_do_more() {
    let tenant = || caller("owners:write keys:write", "orders:*");
    let excess =
        |scope: &str| Err(Refusal::Outranked(Box::new(Refusal::ExcessScope(scope.parse().unwrap()))));
    let (user, organisation) = (OwnerKind::User, OwnerKind::Organisation);
    let rows = [
        (tenant(), user, None, Ok(())),
        (tenant(), user, Some(("keys:write", "orders:read")), Ok(())),
        (tenant(), user, Some((OPERATOR, "*")), excess("management-keys:write")),
        (tenant(), user, Some(("operator", "")), excess("operator")),
        (tenant(), user, Some(("audit:read", "")), excess("audit:read")),
        (tenant(), user, Some(("keys:write", "settle")), excess("settle")),
        (tenant(), user, Some(("keys:write", "key_set:partner")), excess("key_set:partner")),
        (tenant(), organisation, None, Err(Refusal::OwnerNotFound)),
        (caller("operator owners:write", ""), organisation, Some(("keys:write", "orders:*")), Ok(())),
        (caller("operator owners:write", ""), user, Some((OPERATOR, "")), excess("keys:write")),
        (caller("operator owners:write", ""), organisation, Some((OPERATOR, "")), excess("keys:write")),
        (caller(OPERATOR, "*"), organisation, Some((OPERATOR, "*")), Ok(())),
    ];
    for (permit, kind, key, expected) in rows {
        let mut owner = record(kind);
        let keys: Vec<_> = key.iter().map(|(scopes, grantable)| held(&owner, scopes, grantable)).collect();
        let disabled = switch(&permit, Switch::Disabled, &owner, keys.clone());
        assert_eq!(disabled.map(|_| ()), expected, "disable: {key:?}");
        (owner.disabled_at, owner.disabled_by) = (Some(NOW), Some(Authority::Organisation));
        let enabled = switch(&permit, Switch::Enabled, &owner, keys);
        assert_eq!(enabled.map(|_| ()), expected, "enable: {key:?}");
    }
}

#[test]
fn safety_13_nobody_ends_a_management_key_that_can_do_more() {
    let peppers = Peppers::new(Pepper::new(1, &Secret::new([7; 32])), Vec::new());
    let (mut entropy, policy) = (SeededEntropy::new(1), Policy::default());
    let mut context =
        Context { now: NOW, entropy: &mut entropy, peppers: &peppers, policy: &policy, address: None };
    let owner = record(OwnerKind::User);
    for (scopes, grantable, held_scopes, may) in [
        ("management-keys:write", "", "management-keys:write", true),
        ("management-keys:write", "", "keys:write", false),
        ("management-keys:write", "*", "operator", false),
        ("operator management-keys:write", "", "keys:write", true),
        ("operator management-keys:write", "", "operator keys:write", false),
        (OPERATOR, "*", OPERATOR, true),
    ] {
        let (permit, key) = (caller(scopes, grantable), held(&owner, held_scopes, ""));
        let found = || Found::Record(Some(Box::new(key.clone())));
        let revoked = Revoke { id: key.id }.decide(&mut context, &permit, found());
        assert_eq!(revoked.answer.is_ok(), may, "{scopes} {held_scopes}");
        let forgotten = Forget { id: key.id }.decide(&mut context, &permit, found());
        assert_eq!(forgotten.answer.is_ok(), may, "{scopes} {held_scopes}");
        assert_eq!(forgotten.audit.reason.as_deref(), (!may).then_some("outranked"));
    }
}

#[test]
fn a_management_key_that_has_ended_protects_nobody() {
    let owner = record(OwnerKind::User);
    let mut key = held(&owner, OPERATOR, "*");
    key.expires_at = Some(NOW);
    assert!(switch(&caller("owners:write", ""), Switch::Disabled, &owner, vec![key]).is_ok());
}

#[test]
fn safety_13_a_tenant_does_not_enable_what_an_operator_has_disabled() {
    let (tenant, operator) = (caller("owners:write", ""), caller(OPERATOR, "*"));
    let owner = record(OwnerKind::Client);
    let by_tenant = switch(&tenant, Switch::Disabled, &owner, Vec::new()).unwrap();
    assert_eq!(by_tenant.disabled_by, Some(Authority::Organisation));
    assert!(switch(&tenant, Switch::Enabled, &by_tenant, Vec::new()).is_ok());
    let by_both = switch(&operator, Switch::Disabled, &by_tenant, Vec::new()).unwrap();
    for disabled in [switch(&operator, Switch::Disabled, &owner, Vec::new()).unwrap(), by_both] {
        assert_eq!(
            switch(&tenant, Switch::Enabled, &disabled, Vec::new()),
            Err(Refusal::DisabledAbove(Authority::Operator))
        );
        let enabled = switch(&operator, Switch::Enabled, &disabled, Vec::new()).unwrap();
        assert_eq!((enabled.disabled_at, enabled.disabled_by), (None, None));
    }
}
