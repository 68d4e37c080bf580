//! What a mailed link is worth, as tables.

use std::time::Duration;

use super::{ConfirmAddress, Letter, Link, MailLink, NoLink, ReplacePassword};
use crate::exchange::System;
use crate::id::OwnerId;
use crate::owner::SwitchOwner;
use crate::password::PasswordHash;
use crate::person::{AmendPerson, DeletePerson, Enrol, ResetPerson, Vouched};
use crate::person_terms::{Profile, Roles};
use crate::secret::Secret;
use crate::switching::Switch;
use crate::testing::{Ground, NOW};

const OPERATOR: &str = "operator users:write owners:write";

fn person(ground: &mut Ground, username: &str, email: Option<&str>) -> OwnerId {
    let enrol = Enrol {
        username: username.parse().unwrap(),
        name: None,
        organisation: None,
        roles: Roles::default(),
        email: email.map(|email| email.parse().unwrap()),
        vouched: Vouched::ByNobody,
        profile: Profile::default(),
        password: None,
    };
    ground.perform(&ground.caller(OPERATOR, ""), &enrol).unwrap().owner.id
}

fn mailed(ground: &mut Ground, person: OwnerId, link: Link) -> Result<Letter, NoLink> {
    ground.perform(&System, &MailLink { person, link })
}

fn replace(ground: &mut Ground, text: &str) -> Result<OwnerId, NoLink> {
    let password = PasswordHash::stored("$argon2id$new".into(), 1);
    ground.perform(&System, &ReplacePassword { text: Secret::new(text.to_owned()), password })
}

fn confirm(ground: &mut Ground, text: &str) -> Result<OwnerId, NoLink> {
    ground.perform(&System, &ConfirmAddress { text: Secret::new(text.to_owned()) })
}

#[test]
fn a_link_replaces_a_password_once_ends_all_before_and_proves_the_address() {
    let mut ground = Ground::new();
    let id = person(&mut ground, "ana", Some("ana@example.com"));
    let letter = mailed(&mut ground, id, Link::Reset).unwrap();
    let other = mailed(&mut ground, id, Link::Reset).unwrap();
    assert_eq!((letter.to.as_str(), letter.name.as_str()), ("ana@example.com", "ana"));
    assert!(letter.text.expose().starts_with("cs_mail_"));
    assert!(!format!("{:?}", ground.store.tables().artifacts).contains(letter.text.expose().as_str()));
    assert_eq!(replace(&mut ground, letter.text.expose()), Ok(id));
    {
        let tables = ground.store.tables();
        let (owner, person) = (&tables.owners[&id], &tables.persons[&id]);
        assert_eq!(
            (owner.generation, person.password_at, person.email_verified_at),
            (1, Some(NOW), Some(NOW))
        );
        assert_eq!(person.password, Some(PasswordHash::stored("$argon2id$new".into(), 1)));
    }
    let line = ground.store.lines().0.unwrap();
    assert_eq!((&*line.action, line.actor.owner), ("user.replace_password", Some(id)));
    for used in [letter.text.expose(), other.text.expose()] {
        assert_eq!(replace(&mut ground, used), Err(NoLink::Stale), "it, and all that were mailed before");
    }
    let filed = ground.store.lines().1.unwrap();
    assert_eq!(filed.reason.as_deref(), Some("stale_link"));
}

#[test]
fn a_link_confirms_an_address_once_and_ends_nothing() {
    let mut ground = Ground::new();
    let id = person(&mut ground, "ana", Some("ana@example.com"));
    let text = mailed(&mut ground, id, Link::Verify).unwrap().text;
    assert_eq!(confirm(&mut ground, text.expose()), Ok(id));
    {
        let tables = ground.store.tables();
        assert_eq!((tables.owners[&id].generation, tables.persons[&id].email_verified_at), (0, Some(NOW)));
    }
    assert_eq!(confirm(&mut ground, text.expose()), Err(NoLink::Stale));
}

#[test]
fn of_two_who_follow_a_link_one_has_followed_it() {
    for link in [Link::Reset, Link::Verify] {
        let mut ground = Ground::new();
        let id = person(&mut ground, "ana", Some("ana@example.com"));
        let text = mailed(&mut ground, id, link).unwrap().text;
        // The other one: the person is another version, and the link is gone.
        ground.store.meanwhile(move |tables| {
            tables.persons.get_mut(&id).unwrap().version += 1;
            tables.artifacts.clear();
        });
        let followed = match link {
            Link::Reset => replace(&mut ground, text.expose()),
            Link::Verify => confirm(&mut ground, text.expose()),
        };
        assert_eq!(followed, Err(NoLink::Stale), "{link:?}");
    }
}

/// What happens to a person after a link was mailed.
type Happening = fn(&mut Ground, OwnerId);

fn switch(ground: &mut Ground, id: OwnerId, switch: Switch) {
    ground.perform(&ground.caller(OPERATOR, "*"), &SwitchOwner { id, switch }).unwrap();
}

#[test]
fn a_link_is_good_for_a_short_time_and_not_after_anything_of_the_person_has_ended() {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let rows: [(&str, u64, u64, Happening); 8] = [
        ("nothing", 30, 24 * 60, |_, _| ()),
        ("disabled", 0, 0, |ground, id| switch(ground, id, Switch::Disabled)),
        ("disabled and enabled", 0, 0, |ground, id| {
            switch(ground, id, Switch::Disabled);
            switch(ground, id, Switch::Enabled);
        }),
        ("of a disabled organisation", 0, 0, |ground, _| {
            let id = ground.organisation.id;
            switch(ground, id, Switch::Disabled);
        }),
        ("reset", 0, 0, |ground, id| {
            ground.perform(&ground.caller(OPERATOR, ""), &ResetPerson { id, password: None }).unwrap();
        }),
        ("deleted", 0, 0, |ground, id| {
            switch(ground, id, Switch::Disabled);
            ground.perform(&ground.caller(OPERATOR, ""), &DeletePerson { id }).unwrap();
        }),
        ("of another address", 0, 0, |ground, id| {
            let email = Some(Some("other@example.com".parse().unwrap()));
            let act = AmendPerson { id, name: None, email, vouched: Vouched::ByNobody, profile: [].into() };
            ground.perform(&ground.caller(OPERATOR, ""), &act).unwrap();
        }),
        ("renamed", 30, 24 * 60, |ground, id| {
            let name = Some("Ana B".to_owned());
            let act = AmendPerson { id, name, email: None, vouched: Vouched::ByNobody, profile: [].into() };
            ground.perform(&ground.caller(OPERATOR, ""), &act).unwrap();
        }),
    ];
    for (name, reset, verify, happens) in rows {
        for (link, most) in [(Link::Reset, reset), (Link::Verify, verify)] {
            for (at, good) in [(most.saturating_sub(1), most > 0), (most, false)] {
                let mut ground = Ground::new();
                let id = person(&mut ground, "ana", Some("ana@example.com"));
                let text = mailed(&mut ground, id, link).unwrap().text;
                happens(&mut ground, id);
                ground.now = NOW.plus(minutes(at));
                let followed = match link {
                    Link::Reset => replace(&mut ground, text.expose()),
                    Link::Verify => confirm(&mut ground, text.expose()),
                };
                assert_eq!(followed.is_ok(), good, "{name} {link:?} {at}");
            }
        }
    }
}

#[test]
fn a_link_is_for_one_thing_and_found_by_its_text_alone() {
    let mut ground = Ground::new();
    let id = person(&mut ground, "ana", Some("ana@example.com"));
    let (reset, verify) = (
        mailed(&mut ground, id, Link::Reset).unwrap().text,
        mailed(&mut ground, id, Link::Verify).unwrap().text,
    );
    assert_eq!(confirm(&mut ground, reset.expose()), Err(NoLink::Stale));
    assert_eq!(replace(&mut ground, verify.expose()), Err(NoLink::Stale));
    for guess in ["", "cs_mail_", id.to_string().as_str(), &reset.expose().to_lowercase()] {
        assert_eq!(replace(&mut ground, guess), Err(NoLink::Stale), "{guess}");
    }
    let family = ground.store.tables().artifacts[0].family.to_string();
    assert_eq!(replace(&mut ground, &family), Err(NoLink::Stale));
    assert_eq!(replace(&mut ground, reset.expose()), Ok(id));
}

#[test]
fn nobody_is_mailed_who_has_no_address_or_is_disabled_or_not_there() {
    let mut ground = Ground::new();
    let without = person(&mut ground, "bo", None);
    let disabled = person(&mut ground, "cy", Some("cy@example.com"));
    ground
        .perform(&ground.caller(OPERATOR, "*"), &SwitchOwner { id: disabled, switch: Switch::Disabled })
        .unwrap();
    let organisation = ground.organisation.id;
    for id in [without, disabled, organisation] {
        for link in [Link::Reset, Link::Verify] {
            assert_eq!(mailed(&mut ground, id, link).unwrap_err(), NoLink::Nobody);
        }
    }
    assert!(ground.store.tables().artifacts.is_empty());
}
