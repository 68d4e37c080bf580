//! Who enters, changes, resets and deletes whom, and who gives roles where, as tables.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{AmendPerson, DeletePerson, Enrol, Enrolled, ResetPerson, SetRoles, Vouched};
use crate::id::OwnerId;
use crate::ledger::Find as _;
use crate::owner::SwitchOwner;
use crate::password::PasswordHash;
use crate::person_terms::{Profile, Roles};
use crate::question::{PersonNamed, PersonOf};
use crate::record::OwnerRecord;
use crate::refusal::Refusal;
use crate::switching::Switch;
use crate::tally::{Kept, Tally};
use crate::testing::{Caller, Ground, HOUR, NOW, at_once, scopes};

const OPERATOR: &str = "operator users:write";
const TENANT: &str = "users:write";

fn enrol(username: &str, organisation: Option<OwnerId>) -> Enrol {
    Enrol {
        username: username.parse().unwrap(),
        name: None,
        organisation,
        roles: roles(&["staff"]),
        email: Some("ana@example.com".parse().unwrap()),
        vouched: Vouched::ByNobody,
        profile: Profile::default(),
        password: Some(PasswordHash::stored("$argon2id$1".into(), 1)),
    }
}

fn roles(names: &[&str]) -> Roles {
    names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>().try_into().unwrap()
}

/// A person of the first organisation.
fn ana(ground: &mut Ground) -> Enrolled {
    ground.perform(&ground.caller(OPERATOR, ""), &enrol("ana", None)).unwrap()
}

#[test]
fn rfc6749_1_1_a_person_is_an_owner_with_a_name_of_their_own() {
    let mut ground = Ground::new();
    let made = ana(&mut ground);
    let organisation = ground.organisation.id;
    assert_eq!((made.owner.organisation, made.owner.name.as_str()), (organisation, "ana"));
    assert_eq!((made.person.id, made.person.password_at), (made.owner.id, Some(NOW)));
    assert_eq!(made.memberships[0].organisation, organisation);
    for found in [
        at_once(ground.store.find(PersonNamed("ANA".parse().unwrap()))).unwrap().unwrap(),
        at_once(ground.store.find(PersonOf(made.owner.id))).unwrap().unwrap(),
    ] {
        assert_eq!((&found.owner, &found.person), (&made.owner, &made.person));
        assert_eq!((found.organisation.id, found.memberships), (organisation, made.memberships.clone()));
    }
    let line = ground.store.lines().0.unwrap();
    assert_eq!((&*line.action, line.organisation), ("user.create", Some(organisation)));
}

#[test]
fn safety_13_who_may_enter_whom() {
    let mut ground = Ground::new();
    ana(&mut ground);
    let stranger = ground.stranger();
    let disabled = OwnerRecord { disabled_at: Some(NOW), ..ground.stranger() };
    ground.store.keep_owner(&disabled);
    let (home, foreign, disabled) = (Some(ground.organisation.id), Some(stranger.id), Some(disabled.id));
    let client = Some(ground.member(crate::id::OwnerKind::Client, &stranger).id);
    let nobody = OwnerId::random(crate::id::OwnerKind::Organisation, &mut ground.entropy);
    let rows = [
        (TENANT, "bo", home, Vouched::ByNobody, Ok(())),
        (TENANT, "Ana", home, Vouched::ByNobody, Err(Refusal::UsernameTaken)),
        (TENANT, "cy", foreign, Vouched::ByNobody, Err(Refusal::OwnerNotFound)),
        (TENANT, "cy", home, Vouched::ByCaller, Err(Refusal::UnprovenEmail)),
        (TENANT, "ana@example.com", home, Vouched::ByNobody, Ok(())),
        (OPERATOR, "cy", foreign, Vouched::ByCaller, Ok(())),
        (TENANT, "Ana@Example.com", home, Vouched::ByNobody, Err(Refusal::UsernameTaken)),
        (OPERATOR, "dy", client, Vouched::ByNobody, Err(Refusal::OwnerNotFound)),
        (OPERATOR, "dy", Some(nobody), Vouched::ByNobody, Err(Refusal::OwnerNotFound)),
        (OPERATOR, "dy", disabled, Vouched::ByNobody, Err(Refusal::OwnerDisabled)),
    ];
    for (scopes, username, organisation, vouched, expected) in rows {
        let act = Enrol { vouched, ..enrol(username, organisation) };
        let answer = ground.perform(&ground.caller(scopes, ""), &act);
        let verified = answer.as_ref().ok().and_then(|made| made.person.email_verified_at);
        assert_eq!(verified.is_some(), expected.is_ok() && vouched == Vouched::ByCaller, "{username}");
        assert_eq!(answer.map(|_| ()), expected, "{scopes} {username}");
    }
    let caller = Caller::nobody().holding(TENANT).permit();
    assert_eq!(ground.perform(&caller, &enrol("ey", None)).map(|_| ()), Err(Refusal::OwnerNotFound));
    let long = Enrol { name: Some("x".repeat(101)), ..enrol("ey", None) };
    assert_eq!(ground.perform(&ground.caller(TENANT, ""), &long).map(|_| ()), Err(Refusal::Name));
}

#[test]
fn a_tenant_has_room_for_so_many_and_a_name_that_is_taken_meanwhile_is_taken() {
    let mut ground = Ground::new();
    ground.policy.tenant_max_owners = 2;
    ground.store.tables().others = Tally { credentials: 0, members: 1 };
    let tenant = ground.caller(TENANT, "");
    let other = enrol("bo", None);
    let enrolled = {
        let mut elsewhere = Ground::new();
        elsewhere.perform(&elsewhere.caller(OPERATOR, ""), &other).unwrap()
    };
    ground.store.meanwhile(move |tables| {
        tables.persons.insert(enrolled.owner.id, enrolled.person);
    });
    assert_eq!(ground.perform(&tenant, &other).map(|_| ()), Err(Refusal::UsernameTaken));
    assert!(ground.perform(&tenant, &enrol("ana", None)).is_ok());
    assert_eq!(ground.perform(&tenant, &enrol("cy", None)).map(|_| ()), Err(Refusal::Full(Kept::Members, 2)));
    assert!(ground.perform(&ground.caller(OPERATOR, ""), &enrol("cy", None)).is_ok());
}

fn amend(id: OwnerId) -> AmendPerson {
    AmendPerson { id, name: None, email: None, vouched: Vouched::ByNobody, profile: BTreeMap::new() }
}

#[test]
fn what_is_told_of_a_person_changes_and_an_address_that_changes_is_not_verified() {
    let mut ground = Ground::new();
    let id = ana(&mut ground).owner.id;
    let (operator, tenant) = (ground.caller(OPERATOR, ""), ground.caller(TENANT, ""));
    let to = |address: &str| Some(Some(address.parse().unwrap()));
    let vouched = AmendPerson { vouched: Vouched::ByCaller, ..amend(id) };
    assert_eq!(ground.perform(&tenant, &vouched).map(|_| ()), Err(Refusal::UnprovenEmail));
    let verified = ground.perform(&operator, &vouched).unwrap().person;
    assert_eq!((verified.email_verified_at, verified.version), (Some(NOW), 2));
    ground.now = NOW.plus(HOUR);
    let same = ground.perform(&tenant, &AmendPerson { email: to("ana@example.com"), ..amend(id) }).unwrap();
    assert_eq!((same.person.email_verified_at, same.person.updated_at), (Some(NOW), NOW.plus(HOUR)));
    let other = ground.perform(&tenant, &AmendPerson { email: to("bo@example.com"), ..amend(id) }).unwrap();
    assert_eq!(other.person.email_verified_at, None);
    let none = AmendPerson { email: Some(None), vouched: Vouched::ByCaller, ..amend(id) };
    let none = ground.perform(&operator, &none).unwrap().person;
    assert_eq!((none.email, none.email_verified_at), (None, None), "nobody reads nothing");
    let locale = |value: &str| BTreeMap::from([("locale".to_owned(), Some(value.to_owned()))]);
    let named = AmendPerson { name: Some("Ana B".into()), profile: locale("de"), ..amend(id) };
    let named = ground.perform(&tenant, &named).unwrap();
    assert_eq!((named.owner.name.as_str(), named.owner.generation), ("Ana B", 0), "nothing ends");
    assert_eq!(named.person.password, Some(PasswordHash::stored("$argon2id$1".into(), 1)));
    let wrong = AmendPerson { profile: locale(""), ..amend(id) };
    assert_eq!(ground.perform(&tenant, &wrong).map(|_| ()).unwrap_err().code(), "invalid_profile");
}

#[test]
fn asvs_7_4_3_a_reset_ends_all_that_was_obtained_before() {
    let mut ground = Ground::new();
    let before = ana(&mut ground);
    let tenant = ground.caller(TENANT, "");
    for (password, n) in [(Some(PasswordHash::stored("$argon2id$2".into(), 1)), 1), (None, 2)] {
        let reset = ResetPerson { id: before.owner.id, password: password.clone() };
        let next = ground.perform(&tenant, &reset).unwrap();
        assert_eq!((next.owner.generation, next.owner.version, next.person.version), (n, 1 + n, 1 + n));
        assert_eq!(
            (next.person.password_at.is_some(), &next.person.password),
            (password.is_some(), &password)
        );
        assert_eq!(ground.store.snapshot().owner(before.owner.id).unwrap().generation(), n);
    }
    let line = ground.store.lines().0.unwrap();
    assert_eq!((&*line.action, line.organisation), ("user.reset", Some(ground.organisation.id)));
}

#[test]
fn asvs_7_4_2_who_was_disabled_has_to_sign_in_again_and_a_client_has_not() {
    let mut ground = Ground::new();
    let person = ana(&mut ground).owner;
    let client = ground.member(crate::id::OwnerKind::Client, &ground.organisation.clone());
    let operator = ground.caller("operator owners:write", "");
    for (id, expected) in [(person.id, [1, 1, 2]), (client.id, [0, 0, 0])] {
        let generations = [Switch::Disabled, Switch::Enabled, Switch::Disabled]
            .map(|switch| ground.perform(&operator, &SwitchOwner { id, switch }).unwrap().generation);
        assert_eq!(generations, expected);
    }
}

#[test]
fn a_deleted_person_leaves_an_owner_without_a_name_and_a_name_for_another() {
    let mut ground = Ground::new();
    let made = ana(&mut ground);
    let (id, tenant) = (made.owner.id, ground.caller(TENANT, ""));
    assert_eq!(ground.perform(&tenant, &DeletePerson { id }), Err(Refusal::UserNotDisabled));
    let disabled = ground.perform(&tenant, &SwitchOwner { id, switch: Switch::Disabled }).unwrap();
    assert_eq!(ground.perform(&tenant, &DeletePerson { id }), Ok(()));
    {
        let tables = ground.store.tables();
        let owner = &tables.owners[&id];
        assert_eq!((owner.name.as_str(), owner.disabled_at), ("deleted user", Some(NOW)));
        assert_eq!((owner.generation, owner.version), (disabled.generation + 1, disabled.version + 1));
        assert!(tables.persons.is_empty() && tables.memberships.is_empty());
    }
    let line = ground.store.lines().0.unwrap();
    assert_eq!((&*line.action, line.organisation), ("user.delete", Some(ground.organisation.id)));
    assert_eq!(ground.perform(&tenant, &DeletePerson { id }), Err(Refusal::UserNotFound));
    assert!(ana(&mut ground).owner.id != id, "the username is free");
}

#[test]
fn safety_13_nobody_reaches_anothers_person() {
    let mut ground = Ground::new();
    let id = ana(&mut ground).owner.id;
    let stranger = ground.stranger();
    let caller = Caller::of(&stranger).holding(TENANT).permit();
    let itself = Caller::of(&ground.store.tables().owners[&id].clone()).holding(TENANT).permit();
    for (caller, expected) in [(&caller, Err(Refusal::UserNotFound)), (&itself, Ok(()))] {
        assert_eq!(ground.perform(caller, &amend(id)).map(|_| ()), expected);
        let reset = ResetPerson { id, password: None };
        assert_eq!(ground.perform(caller, &reset).map(|_| ()), expected);
    }
    let owner = ground.store.tables().owners[&id].clone();
    ground.disable(&owner);
    assert_eq!(ground.perform(&caller, &DeletePerson { id }), Err(Refusal::UserNotFound));
}

#[test]
fn safety_13_roles_are_given_by_who_reaches_both() {
    let mut ground = Ground::new();
    let id = ana(&mut ground).owner.id;
    let (home, foreign) = (ground.organisation.clone(), ground.stranger());
    let client = ground.member(crate::id::OwnerKind::Client, &home).id;
    let operator = ground.caller(OPERATOR, "");
    let ours = ground.caller(TENANT, "");
    let theirs = Caller::of(&foreign).holding(TENANT).permit();
    let admin = Some(roles(&["admin"]));
    let rows = [
        (&theirs, id, foreign.id, admin.clone(), Err(Refusal::UserNotFound)),
        (&ours, id, foreign.id, admin.clone(), Err(Refusal::OwnerNotFound)),
        (&operator, id, foreign.id, None, Err(Refusal::NotAMember)),
        (&operator, id, foreign.id, admin.clone(), Ok(Some(1))),
        (&operator, id, foreign.id, Some(Roles::default()), Ok(Some(2))),
        (&operator, id, foreign.id, None, Ok(None)),
        (&ours, id, home.id, admin.clone(), Ok(Some(2))),
        (&ours, id, home.id, None, Err(Refusal::HomeOrganisation)),
        (&ours, client, home.id, admin.clone(), Err(Refusal::UserNotFound)),
        (&ours, id, client, admin.clone(), Err(Refusal::OwnerNotFound)),
    ];
    for (caller, person, organisation, roles, expected) in rows {
        let act = SetRoles { person, organisation, roles: roles.clone() };
        let answer = ground.perform(caller, &act);
        let version = answer.map(|next| next.map(|next| next.version));
        assert_eq!(version, expected, "{person} {organisation} {roles:?}");
        if let (Ok(version), Some(roles)) = (expected, roles) {
            let tables = ground.store.tables();
            let stored = &tables.memberships[&(person, organisation)];
            assert_eq!((Some(stored.version), &stored.roles), (version, &roles));
        }
    }
}

#[test]
fn oidc_core_5_4_scopes_ask_for_claims() {
    let mut ground = Ground::new();
    let made = ana(&mut ground);
    let id = made.owner.id;
    let stranger = ground.stranger();
    let operator = ground.caller(OPERATOR, "");
    let act = SetRoles { person: id, organisation: stranger.id, roles: Some(roles(&["b", "a"])) };
    ground.perform(&operator, &act).unwrap();
    let profile = BTreeMap::from([("locale".to_owned(), Some("de".to_owned()))]);
    ground.perform(&operator, &AmendPerson { profile, ..amend(id) }).unwrap();
    let found = |ground: &Ground| at_once(ground.store.find(PersonOf(id))).unwrap().unwrap();
    let home = ground.organisation.id.to_string();
    let all = json!({
        "name": "ana", "preferred_username": "ana", "locale": "de", "updated_at": 1_800_000_000,
        "organisations": { &home: ["staff"], stranger.id.to_string(): ["a", "b"] },
    });
    let email = json!({ "email": "ana@example.com", "email_verified": false });
    for (asked, expected) in
        [("openid", json!({})), ("", json!({})), ("openid email", email.clone()), ("profile", all.clone())]
    {
        assert_eq!(Value::from(found(&ground).claims(&scopes(asked))), expected, "{asked}");
    }
    ground.disable(&stranger);
    let left = found(&ground).claims(&scopes("profile"));
    assert_eq!(left["organisations"], json!({ home: ["staff"] }), "what is disabled says nothing");
    let none = AmendPerson { email: Some(None), ..amend(id) };
    ground.perform(&operator, &none).unwrap();
    let found = at_once(ground.store.find(PersonOf(id))).unwrap().unwrap();
    assert_eq!(found.claims(&scopes("email")).len(), 0, "§5.3.2: what is not known is left out");
}
