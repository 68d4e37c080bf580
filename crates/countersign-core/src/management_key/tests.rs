//! The rules of management keys as tables.

use crate::audit::Verdict;
use crate::credential::Unproven;
use crate::id::{OwnerId, OwnerKind};
use crate::key_evidence::grantable;
use crate::management_key::{Create, LocalPeer, Replace, first_key, local_operator};
use crate::minting::Expiry;
use crate::reach::{ManagementScope, Reach, reach};
use crate::record::OwnerRecord;
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::tally::{Kept, Tally};
use crate::testing::{Caller, Ground, HOUR, NOW, granting, scopes};

#[test]
fn safety_5_the_local_socket_knows_the_servers_user_and_root_alone() {
    for (peer_uid, server_uid, expected) in
        [(1000, 1000, true), (0, 1000, true), (1001, 1000, false), (1000, 0, false)]
    {
        let operator = local_operator(&Ground::new().context(), LocalPeer { peer_uid, server_uid });
        let everything = operator.as_ref().map(|one| grantable(one).covers("anything:at-all"));
        assert_eq!(everything.unwrap_or_default(), expected);
        let reached = operator.map(|principal| reach(&principal)).map_err(|unproven| unproven.rejection);
        assert_eq!(reached, if expected { Ok(Reach::Installation) } else { Err(Rejection::UNKNOWN) });
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
    assert!(minted.record.terms.of_installation);
}

fn create(owner: Option<OwnerId>, held: &str, grantable: &str) -> Create {
    Create {
        name: "tenant".into(),
        owner,
        scopes: scopes(held),
        grantable: granting(grantable),
        expiry: Expiry::Unspecified,
    }
}

#[test]
fn a_stranger_at_the_local_socket_and_the_first_key_have_lines() {
    let mut ground = Ground::new();
    let stranger = local_operator(&ground.context(), LocalPeer { peer_uid: 1001, server_uid: 1000 });
    let Unproven { uses, audit, .. } = stranger.unwrap_err();
    assert!(uses.is_empty());
    let told = (&*audit.action, audit.verdict, &*audit.actor.scheme);
    assert_eq!(told, ("local_socket.verify", Verdict::Refused, "unverified"));
    let owner = ground.organisation.clone();
    let first = first_key(&mut ground.context(), &owner);
    let (line, record) = (first.audit.clone(), first.answer.unwrap().record);
    assert_eq!(
        (line.action.as_ref(), line.subject.clone()),
        ("management_key.first", Some(record.id.to_string()))
    );
    assert!(line.details.contains(&("hint".into(), record.terms.hint.clone())));
    assert_eq!((record.owner, record.expires_at), (owner.id, None));
    assert!(ground.store.take(first.effects, vec![line]));
    assert_eq!(ground.store.stored(record.id), Some(record));
}

#[test]
fn safety_13_nobody_makes_a_management_key_that_can_do_more() {
    let everything = ManagementScope::everything().to_string();
    let excess = |scope: &str| Some(Refusal::ExcessScope(scope.parse().unwrap()));
    let tenant = ("keys:write management-keys:write", "orders:*");
    for ((held, grantable), asked, asked_grantable, expected) in [
        ((everything.as_str(), "*"), "keys:write", "orders:*", None),
        ((everything.as_str(), "*"), "keys:everything", "", excess("keys:everything")),
        (tenant, "keys:write", "orders:read", None),
        (tenant, "keys:read", "", excess("keys:read")),
        (tenant, "operator", "", excess("operator")),
        (tenant, "keys:write", "settle", excess("settle")),
        (tenant, "keys:write", "*", excess("*")),
    ] {
        let mut ground = Ground::new();
        let asked = create(None, asked, asked_grantable);
        let answer = ground.perform(&ground.caller(held, grantable), &asked);
        assert_eq!(answer.as_ref().err(), expected.as_ref(), "{asked:?}");
        let Ok(minted) = answer else { continue };
        assert!(minted.key.unwrap().expose().starts_with("cs_mgmt_"));
        let terms = &minted.record.terms;
        assert_eq!(
            (&terms.name, &terms.scopes, &terms.grantable),
            (&asked.name, &asked.scopes, &asked.grantable)
        );
        let line = ground.store.lines().0.unwrap();
        assert_eq!(line.action, "management_key.create");
        assert_eq!(line.subject, Some(minted.record.id.to_string()));
        assert_eq!(line.organisation, Some(ground.organisation.id));
        for (name, value) in [("name", "tenant"), ("hint", &terms.hint), ("scope", &asked.scopes.to_string())]
        {
            assert!(line.details.contains(&(name.into(), value.into())), "{name}");
        }
        assert_eq!(ground.store.stored(minted.record.id), Some(minted.record));
    }
}

#[test]
fn safety_13_nobody_makes_a_management_key_for_another_tenant() {
    let mut ground = Ground::new();
    let (home, away) = (ground.organisation.clone(), ground.stranger());
    let (one, two) = (ground.member(OwnerKind::Client, &home), ground.member(OwnerKind::User, &home));
    let gone = Ground::new().member(OwnerKind::Client, &home);
    let rows: [(&OwnerRecord, &str, Option<&OwnerRecord>, bool); 8] = [
        (&home, "", None, true),
        (&home, "", Some(&one), true),
        (&away, "", None, false),
        (&away, "", Some(&one), false),
        (&one, "", Some(&one), true),
        (&one, "", Some(&two), false),
        (&away, "operator", Some(&one), true),
        (&away, "operator", Some(&gone), false),
    ];
    for (who, held, owner, may) in rows {
        let asked = create(owner.map(|owner| owner.id), "", "");
        let expected = if may { Ok(owner.unwrap_or(&home).id) } else { Err(Refusal::OwnerNotFound) };
        let made = ground.perform(&Caller::of(who).holding(held).permit(), &asked);
        assert_eq!(made.map(|minted| minted.record.owner), expected, "{who:?} {asked:?}");
    }
}

#[test]
fn a_management_key_lives_as_long_as_it_is_asked_to() {
    let (after, empty) = (Some(NOW.plus(HOUR)), Err("empty_life"));
    for (expiry, expected) in [
        (Expiry::Unspecified, Ok(None)),
        (Expiry::Never, Ok(None)),
        (Expiry::After(HOUR), Ok(after)),
        (Expiry::At(NOW.plus(HOUR)), Ok(after)),
        (Expiry::At(NOW), empty),
    ] {
        let mut ground = Ground::new();
        // The longest life is one of API keys.
        ground.policy.api_key_max_lifetime = Some(HOUR / 2);
        let asked = Create { expiry, ..create(None, "", "") };
        let made = ground.perform(&ground.caller("", ""), &asked);
        let end = made.map(|minted| minted.record.expires_at).map_err(|refusal| refusal.code());
        assert_eq!(end, expected, "{expiry:?}");
    }
}

#[test]
fn a_management_key_is_held_to_the_conditions_of_minting() {
    let mut ground = Ground::new();
    let tenant = ground.caller("", "");
    let refused = |ground: &mut Ground, asked: &Create| {
        let refused = ground.perform(&tenant, asked).unwrap_err();
        let line = ground.store.lines().1.unwrap();
        assert_eq!(
            (line.action.as_ref(), line.reason.as_deref()),
            ("management_key.create", Some(refused.code()))
        );
        refused
    };
    let unnamed = Create { name: String::new(), ..create(None, "", "") };
    assert_eq!(refused(&mut ground, &unnamed), Refusal::Name);
    ground.policy.tenant_max_keys = 3;
    ground.store.tables().others = Tally { credentials: 3, members: 0 };
    assert_eq!(refused(&mut ground, &create(None, "", "")), Refusal::Full(Kept::Credentials, 3));
    ground.store.tables().others = Tally::default();
    ground.store.meanwhile(|tables| tables.others.credentials = 3);
    assert_eq!(refused(&mut ground, &create(None, "", "")), Refusal::Full(Kept::Credentials, 3));
    ground.disable(&ground.organisation.clone());
    assert_eq!(refused(&mut ground, &create(None, "", "")), Refusal::OwnerDisabled);
}

#[test]
fn the_installations_own_key_is_what_is_stored_as_such_and_in_an_older_database_what_has_its_name() {
    const OWN: &str = "first management key";
    // Its name, whether it is stored as the installation's, what it may do, and whether it is ended.
    type Key = (&'static str, bool, &'static str, bool);
    let rows: [&[Key]; 7] = [
        &[],
        &[(OWN, false, "operator keys:write", true)],
        &[(OWN, false, "keys:read", false), ("other", false, "operator", false)],
        &[("other", true, "operator", true)],
        &[(OWN, true, "operator", true), (OWN, false, "operator", false)],
        &[(OWN, true, "operator", true), (OWN, true, "operator", true)],
        &[(OWN, false, "operator", true), (OWN, false, "operator", true)],
    ];
    for keys in rows {
        let mut ground = Ground::new();
        let owner = ground.organisation.clone();
        let mut ids = Vec::new();
        for (name, own, held, _) in keys {
            let id = ground.management_key(&owner, held, "*").0.id;
            ground.store.change(id, |record| {
                (record.terms.name, record.terms.of_installation) = ((*name).to_owned(), *own);
            });
            ids.push(id);
        }
        let operator = ground.caller(&ManagementScope::everything().to_string(), "*");
        let minted = ground.perform(&operator, &Replace).unwrap();
        assert!(minted.key.unwrap().expose().starts_with("cs_mgmt_"));
        assert!(minted.record.terms.of_installation && minted.record.terms.name == OWN);
        let mut told = Vec::new();
        for ((.., ends), id) in keys.iter().zip(ids) {
            let stored = ground.store.stored(id).unwrap();
            assert_eq!(stored.revoked_at, ends.then_some(NOW), "{keys:?}");
            assert_eq!(stored.terms.replaced_by, ends.then_some(minted.record.id), "{keys:?}");
            told.extend(ends.then(|| id.to_string()));
        }
        let tables = ground.store.tables();
        let [line] = tables.committed.as_slice() else { panic!("one commit") };
        assert_eq!(
            (&*line.action, &line.subject),
            ("management_key.rotate", &Some(minted.record.id.to_string()))
        );
        let replaces = line.details.iter().find(|(name, _)| *name == "replaces").unwrap();
        let mut replaced: Vec<_> = replaces.1.split_whitespace().map(str::to_owned).collect();
        replaced.sort_unstable();
        told.sort_unstable();
        assert_eq!(replaced, told);
    }
}

#[test]
fn only_who_can_do_everything_replaces_the_installations_own_key() {
    let everything = ManagementScope::everything().to_string();
    let excess = |scope: &str| Err(Refusal::ExcessScope(scope.parse().unwrap()));
    for (held, grantable, disabled, expected) in [
        (everything.as_str(), "*", false, Ok(())),
        (everything.as_str(), "*", true, Err(Refusal::OwnerDisabled)),
        (everything.as_str(), "orders:*", false, excess("*")),
        ("operator", "*", false, excess("audit:read")),
        ("management-keys:write", "*", false, Err(Refusal::NotFound)),
    ] {
        let mut ground = Ground::new();
        let id = ground.management_key(&ground.organisation.clone(), "operator", "*").0.id;
        ground.store.change(id, |record| record.terms.of_installation = true);
        if disabled {
            let organisation = ground.organisation.id;
            ground.store.tables().owners.get_mut(&organisation).unwrap().disabled_at = Some(NOW);
        }
        let answer = ground.perform(&ground.caller(held, grantable), &Replace).map(|_| ());
        assert_eq!(answer, expected, "{held} {grantable}");
        assert_eq!(ground.store.stored(id).unwrap().revoked_at.is_some(), expected.is_ok());
    }
}

#[test]
fn of_two_replacements_that_race_the_later_ends_what_the_earlier_has_made() {
    let mut ground = Ground::new();
    let organisation = ground.organisation.clone();
    let earlier = ground.management_key(&organisation, "operator", "*").0.id;
    let mut earlier = ground.store.change(earlier, |record| record.terms.of_installation = true);
    // It is not there yet when the later one asks, and no key is there whose version could tell.
    ground.store.tables().credentials.clear();
    let made = earlier.clone();
    ground.store.meanwhile(move |tables| {
        tables.owners.get_mut(&organisation.id).unwrap().version += 1;
        tables.credentials.insert(made.id, made);
    });
    let operator = ground.caller(&ManagementScope::everything().to_string(), "*");
    let later = ground.perform(&operator, &Replace).unwrap().record;
    (earlier.revoked_at, earlier.terms.replaced_by) = (Some(NOW), Some(later.id));
    earlier.version += 1;
    assert_eq!(ground.store.stored(earlier.id), Some(earlier));
}
