//! Persons and memberships, on both databases.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::effect::Effect;
use countersign_core::id::OwnerId;
use countersign_core::ledger::{Commit, Find as _};
use countersign_core::password::PasswordHash;
use countersign_core::person_terms::{Profile, Roles};
use countersign_core::question::{Enrolment, MembershipOf, PersonNamed, PersonOf};
use countersign_core::reach::Reach;
use countersign_core::record::{Membership, OwnerRecord, PersonRecord};
use countersign_core::timestamp::Timestamp;
use countersign_store::{PageRequest, Store};
use countersign_testkit::{Records, each_database};

use crate::raw::{commit, done, insert_owner};

fn person(owner: &OwnerRecord, username: &str) -> PersonRecord {
    PersonRecord {
        id: owner.id,
        username: username.parse().unwrap(),
        email: Some("ana@example.com".parse().unwrap()),
        email_verified_at: Some(Timestamp::from_millis(5)),
        password: Some(PasswordHash::stored("$argon2id$x".into(), 3)),
        password_at: Some(Timestamp::from_millis(6)),
        version: 1,
        updated_at: Timestamp::from_millis(7),
        profile: Profile::try_from(BTreeMap::from([("locale".to_owned(), "de".to_owned())])).unwrap(),
    }
}

fn membership(person: OwnerId, organisation: OwnerId) -> Membership {
    let roles: BTreeSet<_> = ["admin".to_owned()].into();
    let created_at = Timestamp::from_millis(8);
    Membership { person, organisation, roles: Roles::try_from(roles).unwrap(), version: 1, created_at }
}

async fn found(store: &Store, id: OwnerId) -> Option<(OwnerRecord, PersonRecord, Vec<Membership>)> {
    let by_id = store.find(PersonOf(id)).await.unwrap();
    if let Some(found) = &by_id {
        let by_name = store.find(PersonNamed(found.person.username.clone().into())).await.unwrap();
        assert_eq!(by_name, by_id);
    }
    by_id.map(|found| (found.owner, found.person, found.memberships))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_stored_found_replaced_and_forgotten() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let (home, other) = (records.organisation(), records.organisation());
        let owner = records.user(&home);
        done(commit(&store, [&home, &other, &owner].map(insert_owner).to_vec()).await);
        assert_eq!(found(&store, owner.id).await, None, "an owner who is no person");
        let (ana, here) = (person(&owner, "ana"), membership(owner.id, home.id));
        let there = membership(owner.id, other.id);
        let entered = vec![
            Effect::Insert(ana.clone().into()),
            Effect::Insert(here.clone().into()),
            Effect::Insert(there.clone().into()),
        ];
        done(commit(&store, entered).await);
        let mut all = vec![here.clone(), there.clone()];
        all.sort_by_key(|one| one.organisation.to_string());
        assert_eq!(found(&store, owner.id).await, Some((owner.clone(), ana.clone(), all)));

        let next = PersonRecord {
            email: None,
            email_verified_at: None,
            password: None,
            password_at: None,
            version: 2,
            profile: Profile::default(),
            ..ana.clone()
        };
        let advance = || vec![Effect::Advance(next.clone().into())];
        done(commit(&store, advance()).await);
        assert_eq!(commit(&store, advance()).await, Ok(Commit::Lost), "the version was seen by another");
        let disabled =
            OwnerRecord { disabled_at: Some(Timestamp::from_millis(9)), version: 2, ..other.clone() };
        done(commit(&store, vec![Effect::Advance(disabled.into())]).await);
        let here = Membership { roles: Roles::default(), version: 2, ..here };
        done(commit(&store, vec![Effect::Advance(here.clone().into())]).await);
        assert_eq!(found(&store, owner.id).await, Some((owner.clone(), next.clone(), vec![here.clone()])));
        let asked = MembershipOf { person: owner.id, organisation: other.id };
        assert_eq!(store.find(asked).await.unwrap().membership, Some(there.clone()), "also what is disabled");

        let old = Membership { version: 1, ..here.clone() };
        assert_eq!(commit(&store, vec![Effect::Leave(old)]).await, Ok(Commit::Lost));
        done(commit(&store, vec![Effect::Leave(here)]).await);
        let stale = vec![Effect::Unregister(Box::new(ana))];
        assert_eq!(commit(&store, stale).await, Ok(Commit::Lost));
        assert!(
            found(&store, owner.id).await.is_some() && store.find(asked).await.unwrap().membership.is_some()
        );
        done(commit(&store, vec![Effect::Unregister(Box::new(next))]).await);
        assert_eq!(found(&store, owner.id).await, None);
        let left = store.find(asked).await.unwrap();
        assert_eq!((left.person, left.membership), (None, None));
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_username_is_one_persons_whoever_comes_at_the_same_time() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let home = records.organisation();
        done(commit(&store, vec![insert_owner(&home)]).await);
        let owners: Vec<_> = (0..8).map(|_| records.user(&home)).collect();
        let enter = async |owner: &OwnerRecord| {
            let person = person(owner, "ana");
            commit(&store, vec![insert_owner(owner), Effect::Insert(person.into())]).await.unwrap()
        };
        let mut won = 0;
        for entered in futures_util::future::join_all(owners.iter().map(enter)).await {
            won += usize::from(entered == Commit::Done);
        }
        assert_eq!(won, 1);
        let asked = Enrolment { organisation: Some(home.id), username: "ana".parse().unwrap() };
        assert!(store.find(asked.clone()).await.unwrap().is_taken);
        let free = Enrolment { username: "bo".parse().unwrap(), ..asked };
        let free = store.find(free).await.unwrap();
        assert_eq!((free.is_taken, free.holder.unwrap().tally.members), (false, 1), "nothing else was kept");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_found_by_an_address_that_they_alone_have_proven() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let (home, other) = (records.organisation(), records.organisation());
        done(commit(&store, [&home, &other].map(insert_owner).to_vec()).await);
        let mut enter = async |home: &OwnerRecord, username: &str, email: &str, verified: Option<i64>| {
            let owner = records.user(home);
            let email_verified_at = verified.map(Timestamp::from_millis);
            let person =
                PersonRecord { email: email.parse().ok(), email_verified_at, ..person(&owner, username) };
            done(commit(&store, vec![insert_owner(&owner), Effect::Insert(person.clone().into())]).await);
            person
        };
        let named = async |typed: &str| {
            let found = store.find(PersonNamed(typed.parse().unwrap())).await.unwrap();
            found.map(|found| found.person.username.to_string())
        };
        let taken = async |username: &str| {
            let username = username.parse().unwrap();
            store.find(Enrolment { organisation: Some(home.id), username }).await.unwrap().is_taken
        };
        enter(&other, "eve", "ana@example.com", None).await;
        assert_eq!(named("ana@example.com").await, None, "nobody has proven it");
        assert!(!taken("ana@example.com").await);
        enter(&other, "ana@example.com", "eve@example.com", Some(5)).await;
        assert_eq!(named("ana@example.com").await.as_deref(), Some("ana@example.com"));
        let ana = enter(&home, "ana", "Ana@Example.com", Some(6)).await;
        for typed in ["ana@example.com", "ANA@EXAMPLE.COM", "ana"] {
            assert_eq!(named(typed).await.as_deref(), Some("ana"), "{typed}");
        }
        assert!(taken("Eve@example.com").await && !taken("bo@example.com").await);
        enter(&other, "ana2", "ana@example.com", Some(7)).await;
        enter(&other, "ana3", "ana@example.com", Some(7)).await;
        enter(&other, "ana4", "ana@example.com", Some(7)).await;
        assert_eq!(
            named("ana@example.com").await.as_deref(),
            Some("ana@example.com"),
            "it is no name of them"
        );
        assert_eq!(named("ana").await.as_deref(), Some("ana"));
        let moved = PersonRecord { email: None, email_verified_at: None, version: 2, ..ana };
        done(commit(&store, vec![Effect::Advance(moved.into())]).await);
        assert_eq!(named("ana").await.as_deref(), Some("ana"));
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn persons_are_listed_within_reach_page_by_page() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let (home, other) = (records.organisation(), records.organisation());
        done(commit(&store, [&home, &other].map(insert_owner).to_vec()).await);
        for (n, organisation) in [&home, &home, &other].into_iter().enumerate() {
            let owner = records.user(organisation);
            let person = person(&owner, &format!("user{n}"));
            done(commit(&store, vec![insert_owner(&owner), Effect::Insert(person.into())]).await);
        }
        let request = |limit| PageRequest { limit, cursor: None };
        let list = async |reach, limit| {
            let page = store.persons(reach, &request(limit)).await.unwrap();
            (page.rows.len(), page.next.is_some())
        };
        assert_eq!(list(Reach::Installation, 10).await, (3, false));
        assert_eq!(list(Reach::Installation, 2).await, (2, true));
        assert_eq!(list(Reach::Organisation(home.id), 10).await, (2, false));
        let (first, _) =
            store.persons(Reach::Organisation(other.id), &request(1)).await.unwrap().rows.remove(0);
        assert_eq!(list(Reach::Owner(first.id), 10).await, (1, false));
        assert_eq!(list(Reach::Nothing, 10).await, (0, false));
        store.close().await;
    })
    .await;
}
