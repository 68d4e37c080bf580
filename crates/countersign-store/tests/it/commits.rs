//! Statements, effects and races.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::context::Clock;
use countersign_core::effect::Effect;
use countersign_core::ledger::{Commit, Find, Unavailable};
use countersign_core::question::{Creation, FoundOwner, Holder, HolderOf, MarkOf, OwnerAndKeys, RecordOf};
use countersign_core::record::{OwnerRecord, TakenOver};
use countersign_core::secret::SecretHash;
use countersign_core::tally::Kept;
use countersign_core::timestamp::Timestamp;
use countersign_store::{SealedRow, Store};
use countersign_testkit::{Records, each_database, on_sqlite};

use crate::raw::{commit, done, insert, insert_owner, known, line, sql, stored};

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_prepares() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        assert!(store.check_statements().await.unwrap() > 30);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_reads_back_as_it_was_written() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let client = records.client(&organisation);
        let (mut record, key) = records.key(&client);
        record.expires_at = Some(Timestamp::from_millis(1_900_000_000_000));
        record.disabled_at = Some(Timestamp::from_millis(3));
        record.terms.metadata.insert("team".into(), "ünïcode ' \" \\".into());
        done(commit(&store, vec![insert_owner(&organisation), insert_owner(&client), insert(&record)]).await);
        assert_eq!(stored(&store, &record).await, Some(record.clone()));
        assert_eq!(known(&store, &key).await.unwrap().unwrap().id(), record.id);
        let found = store.find(OwnerAndKeys(client.id)).await.unwrap();
        assert_eq!(found, Some(FoundOwner { owner: client, management_keys: Vec::new() }));
        store.close().await;
        assert!(matches!(commit(&store, Vec::new()).await, Err(Unavailable::Store(_))), "closed is closed");
        assert!(store.nodes().await.is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn creation_finds_owner_organisation_mark_and_what_it_made() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let later = records.organisation();
        let client = records.client(&organisation);
        let (record, _) = records.key(&client);
        let until = fixture.clock.now().plus(Duration::from_secs(60));
        let mark = records.mark("k", &format!("{} fingerprint", record.id), until);
        done(
            commit(&store, vec![insert_owner(&later), insert_owner(&organisation), insert_owner(&client)])
                .await,
        );
        done(commit(&store, vec![Effect::Mark(mark.clone()), insert(&record)]).await);
        let creation = async |owner, mark| {
            let found = store.find(Creation { owner, mark, digests: Vec::new() }).await.unwrap();
            assert_eq!(store.find(HolderOf(owner)).await.unwrap(), found.holder, "the same holder");
            if let Some(mark) = mark {
                assert_eq!(store.find(MarkOf(mark)).await.unwrap(), found.earlier, "the same mark");
            }
            let owner = found.holder.as_ref().map(|one| one.owner.id);
            let organisation = found.holder.and_then(|one| one.organisation).map(|one| one.id);
            (owner, organisation, found.earlier, found.made.map(|one| one.id))
        };
        assert_eq!(
            creation(None, None).await,
            (Some(organisation.id), None, None, None),
            "the oldest organisation"
        );
        assert_eq!(
            creation(Some(client.id), Some(mark.lookup)).await,
            (Some(client.id), Some(organisation.id), Some(mark.clone()), Some(record.id))
        );
        fixture.clock.advance(Duration::from_secs(61));
        assert_eq!(
            creation(Some(records.client(&later).id), Some(mark.lookup)).await,
            (None, None, None, None)
        );
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_organisation_keeps_is_counted_over_all_nodes_and_capped() {
    each_database(async |fixture| {
        let (one, mut records) = (fixture.open("a").await, Records::new(1));
        let organisation = records.organisation();
        let client = records.client(&organisation);
        done(commit(&one, vec![insert_owner(&organisation), insert_owner(&client)]).await);
        let tally = async |store: &Store| {
            let Holder { tally, .. } = store.find(HolderOf(Some(client.id))).await.unwrap().unwrap();
            (tally.credentials, tally.members)
        };
        assert_eq!(tally(&one).await, (0, 1));
        let within = |most| Effect::Within { organisation: organisation.id, kept: Kept::Credentials, most };
        let mut mint = async |store: &Store, most| {
            let (record, _) = records.key(&client);
            let committed = commit(store, vec![within(most), insert(&record)]).await.unwrap();
            (committed, record)
        };
        assert_eq!(mint(&one, 2).await.0, Commit::Done);
        let (_, second) = mint(&one, 2).await;
        assert_eq!(mint(&one, 2).await.0, Commit::Lost, "nothing is added beyond the cap");
        assert_eq!(tally(&one).await, (2, 1));
        assert_eq!(mint(&one, 3).await.0, Commit::Done);
        one.close().await;

        // Another node counts for itself what it adds and removes; the sum holds.
        let other = fixture.open("b").await;
        assert_eq!(mint(&other, 3).await.0, Commit::Lost);
        done(commit(&other, vec![Effect::Remove(second.id)]).await);
        assert_eq!(tally(&other).await, (2, 1));
        assert_eq!(mint(&other, 3).await.0, Commit::Done);
        assert_eq!(mint(&other, 3).await.0, Commit::Lost);
        let members = Effect::Within { organisation: organisation.id, kept: Kept::Members, most: 1 };
        assert_eq!(commit(&other, vec![members]).await.unwrap(), Commit::Lost);
        other.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_effect_is_lost_when_its_condition_does_not_hold() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let (record, key) = records.key(&organisation);
        let (absent, _) = records.key(&organisation);
        let now = fixture.clock.now();
        let mark = records.mark("k", "x", now.plus(Duration::from_secs(60)));
        let mut owner_next = organisation.clone();
        owner_next.version = 3;
        let mut next = record.clone();
        next.version = 3;
        let mut same_lookup = absent.clone();
        same_lookup.lookup = record.lookup;
        let first = vec![insert_owner(&organisation), insert(&record), Effect::Mark(mark.clone())];
        done(commit(&store, first).await);
        let heads = async || {
            let node = store.nodes().await.unwrap().remove(0);
            (node.last_change, node.last_event, node.event_hash)
        };
        let before = heads().await;
        for effect in [
            insert_owner(&organisation),
            insert(&record),
            insert(&same_lookup),
            Effect::Advance(next.into()),
            Effect::Advance(owner_next.into()),
            Effect::Revoke { credential: absent.id, at: now },
            Effect::Remove(absent.id),
            Effect::Mark(mark),
        ] {
            // The effect before the one that fails is undone with it.
            let other = records.organisation();
            let text = format!("{effect:?}");
            assert_eq!(commit(&store, vec![insert_owner(&other), effect]).await, Ok(Commit::Lost), "{text}");
            assert_eq!(store.find(OwnerAndKeys(other.id)).await, Ok(None), "{text}");
        }
        assert_eq!(heads().await, before, "a lost batch leaves no change and no audit line");
        assert!(known(&store, &key).await.unwrap().is_some());
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_change_the_row_and_the_snapshot_at_once() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let mut organisation = records.organisation();
        let (mut record, key) = records.key(&organisation);
        let now = fixture.clock.now();
        done(commit(&store, vec![insert_owner(&organisation), insert(&record)]).await);

        record.version = 2;
        record.disabled_at = Some(now);
        record.terms.name = "other".into();
        done(commit(&store, vec![Effect::Advance(record.clone().into())]).await);
        assert_eq!(stored(&store, &record).await.as_ref(), Some(&record));
        assert!(known(&store, &key).await.unwrap().unwrap().life.disabled);

        organisation.version = 2;
        organisation.disabled_at = Some(now);
        done(commit(&store, vec![Effect::Advance(organisation.clone().into())]).await);
        assert!(!known(&store, &key).await.unwrap().unwrap().owner.is_live());

        for at in [now, now.plus(Duration::from_secs(9))] {
            done(commit(&store, vec![Effect::Revoke { credential: record.id, at }]).await);
        }
        let revoked = stored(&store, &record).await.unwrap();
        assert_eq!((revoked.revoked_at, revoked.version), (Some(now), 4), "the first revocation stands");
        let mut revived = revoked.clone();
        revived.version = 5;
        revived.revoked_at = None;
        done(commit(&store, vec![Effect::Advance(revived.into())]).await);
        assert_eq!(stored(&store, &record).await.unwrap().revoked_at, Some(now), "revoked is for ever");
        assert!(known(&store, &key).await.unwrap().unwrap().life.revoked);

        done(commit(&store, vec![Effect::Remove(record.id)]).await);
        assert_eq!(stored(&store, &record).await, None);
        assert!(known(&store, &key).await.unwrap().is_none());
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_past_its_end_may_be_made_again() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let records = Records::new(1);
        let minute = Duration::from_secs(60);
        let mark = |made| Effect::Mark(records.mark("k", made, fixture.clock.now().plus(minute)));
        done(commit(&store, vec![mark("one")]).await);
        assert_eq!(commit(&store, vec![mark("two")]).await, Ok(Commit::Lost));
        fixture.clock.advance(minute);
        done(commit(&store, vec![mark("three")]).await);
        assert_eq!(commit(&store, vec![mark("four")]).await, Ok(Commit::Lost));
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_first_uses_at_once_one_is_the_first() {
    each_database(async |fixture| {
        let mut stores = vec![Arc::new(fixture.open("a").await)];
        if fixture.is_shared() {
            stores.push(Arc::new(fixture.open("b").await));
        }
        let until = fixture.clock.now().plus(Duration::from_secs(60));
        let mut racers = tokio::task::JoinSet::new();
        for number in 0..64 {
            let store = Arc::clone(&stores[number % stores.len()]);
            let mark = Records::new(1).mark("jti", &number.to_string(), until);
            racers.spawn(async move { commit(&store, vec![Effect::Mark(mark)]).await });
        }
        let outcomes = racers.join_all().await;
        let won = outcomes.iter().filter(|outcome| **outcome == Ok(Commit::Done)).count();
        let lost = outcomes.iter().filter(|outcome| **outcome == Ok(Commit::Lost)).count();
        assert_eq!((won, lost), (1, 63), "{outcomes:?}");
        for store in stores {
            store.close().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_share_transactions_and_none_is_lost() {
    each_database(async |fixture| {
        let mut stores = vec![Arc::new(fixture.open("a").await)];
        if fixture.is_shared() {
            stores.push(Arc::new(fixture.open("b").await));
        }
        let mut records = Records::new(1);
        let organisation = records.organisation();
        done(commit(&stores[0], vec![insert_owner(&organisation)]).await);
        let mut writers = tokio::task::JoinSet::new();
        let mut expected = HashSet::new();
        for number in 0..200 {
            let store = Arc::clone(&stores[number % stores.len()]);
            let (record, key) = records.key(&organisation);
            expected.insert(record.id);
            writers.spawn(async move {
                done(commit(&store, vec![insert(&record)]).await);
                assert_eq!(
                    store.snapshot().find(record.id.prefix(), key.read().text()).map(|known| known.id()),
                    Some(record.id)
                );
            });
        }
        writers.join_all().await;
        for store in &stores {
            store.catch_up().await.unwrap();
            assert_eq!(store.snapshot().len(), expected.len());
        }
        let chains = stores[0].verify_audit().await.unwrap();
        assert!(chains.iter().all(|chain| chain.broken_at.is_none()), "{chains:?}");
        assert_eq!(chains.iter().map(|chain| chain.events).sum::<i64>(), 201);
        for store in stores {
            store.close().await;
        }
        let again = fixture.open("a").await;
        assert_eq!(again.snapshot().len(), expected.len(), "all of it is durable");
        again.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn initialise_happens_once_whoever_comes_first() {
    each_database(async |fixture| {
        let mut stores = vec![Arc::new(fixture.open("a").await)];
        if fixture.is_shared() {
            stores.push(Arc::new(fixture.open("b").await));
        }
        let mut racers = tokio::task::JoinSet::new();
        for seed in 0..6_u64 {
            let store = Arc::clone(&stores[usize::try_from(seed).unwrap() % stores.len()]);
            let organisation = Records::new(seed).organisation();
            racers.spawn(async move {
                store
                    .initialise(vec![insert_owner(&organisation)], vec![line("one"), line("two")])
                    .await
                    .unwrap()
            });
        }
        assert_eq!(racers.join_all().await.into_iter().filter(|made| *made).count(), 1);
        let mut events = 0;
        for chain in stores[0].verify_audit().await.unwrap() {
            events += chain.events;
        }
        assert_eq!(events, 2);
        for store in stores {
            store.close().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_values_are_written_once() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        assert_eq!(store.sealed("ca", "x").await.unwrap(), None);
        for fresh in [vec![1, 0, 255], vec![2]] {
            assert_eq!(store.sealed_or_insert("ca", "x", fresh).await.unwrap(), vec![1, 0, 255]);
        }
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_values_are_read_in_pages_and_replaced_where_nobody_else_has() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        for (purpose, owner) in [("a", "z"), ("b", "a"), ("b", "b")] {
            store.sealed_or_insert(purpose, owner, vec![1]).await.unwrap();
        }
        let place = |row: &SealedRow| (row.purpose.clone(), row.owner.clone());
        let (mut after, mut seen) = ((String::new(), String::new()), Vec::new());
        while let Some(row) = store.sealed_after(&after.0, &after.1, 1).await.unwrap().pop() {
            after = place(&row);
            seen.push(row);
        }
        let places: Vec<_> = seen.iter().map(place).collect();
        let expected = [("a", "z"), ("b", "a"), ("b", "b")];
        assert_eq!(places, expected.map(|(purpose, owner)| (purpose.to_owned(), owner.to_owned())));
        assert_eq!(store.reseal(&seen[0], &[2]).await.unwrap(), Commit::Done);
        assert_eq!(store.reseal(&seen[0], &[3]).await.unwrap(), Commit::Lost, "it is not what was read");
        assert_eq!(store.sealed("a", "z").await.unwrap(), Some(vec![2]));
        assert_eq!(store.sealed("b", "a").await.unwrap(), Some(vec![1]), "the others stay");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_the_database_refuses_does_not_harm_its_neighbours() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        done(commit(&store, vec![insert_owner(&organisation)]).await);
        let stranger = records.organisation();
        let (orphan, _) = records.key(&stranger);
        let (record, _) = records.key(&organisation);
        let (refused, fine) =
            tokio::join!(commit(&store, vec![insert(&orphan)]), commit(&store, vec![insert(&record)]));
        assert!(matches!(refused, Err(Unavailable::Store(_))), "{refused:?}");
        done(fine);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_cannot_be_read_is_corrupt_and_its_key_refused() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let (record, key) = records.key(&organisation);
        let (other, other_key) = records.key(&organisation);
        done(commit(&store, vec![insert_owner(&organisation), insert(&record), insert(&other)]).await);
        sql(&fixture, &format!("UPDATE credential SET payload = '{{}}' WHERE id = '{}'", record.id)).await;
        let found = store.find(RecordOf(record.id)).await;
        assert!(matches!(found, Err(Unavailable::Corrupt(_))), "{found:?}");
        store.close().await;
        let again = fixture.open("a").await;
        assert!(known(&again, &key).await.unwrap().is_none());
        assert!(known(&again, &other_key).await.unwrap().is_some());
        again.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_unavailable_and_loses_nothing() {
    on_sqlite(async |mut fixture| {
        fixture.limits.sqlite_pages = Some(160);
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        done(commit(&store, vec![insert_owner(&organisation)]).await);
        let mut kept = Vec::new();
        let refused = loop {
            let (mut record, _) = records.key(&organisation);
            record.terms.metadata.insert("filling".into(), "x".repeat(4000).into());
            match commit(&store, vec![insert(&record)]).await {
                Ok(_) => kept.push(record),
                Err(error) => break error,
            }
            assert!(kept.len() < 1000, "the disk never fills");
        };
        assert!(refused.to_string().contains("full"), "{refused}");
        for record in &kept {
            assert_eq!(stored(&store, record).await.as_ref(), Some(record));
        }
        for record in &kept {
            done(commit(&store, vec![Effect::Remove(record.id)]).await);
        }
        let (record, key) = records.key(&organisation);
        done(commit(&store, vec![insert(&record)]).await);
        assert!(known(&store, &key).await.unwrap().is_some());
        let chains = store.verify_audit().await.unwrap();
        assert!(chains.iter().all(|chain| chain.broken_at.is_none()), "{chains:?}");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_no_at_once() {
    each_database(async |mut fixture| {
        fixture.limits.queue = 1;
        let store = Arc::new(fixture.open("a").await);
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..300 {
            let store = Arc::clone(&store);
            writers.spawn(async move { commit(&store, Vec::new()).await });
        }
        let outcomes = writers.join_all().await;
        let committed = outcomes.iter().filter(|outcome| **outcome == Ok(Commit::Done)).count();
        for outcome in &outcomes {
            let full = matches!(outcome, Err(Unavailable::Store(text)) if text.contains("too many"));
            assert!(full || *outcome == Ok(Commit::Done), "{outcome:?}");
        }
        let chains = store.verify_audit().await.unwrap();
        assert_eq!(chains.iter().map(|chain| chain.events).sum::<i64>(), i64::try_from(committed).unwrap());
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_was_taken_over_is_remembered_beyond_its_key() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let (one, other) = (records.organisation(), records.organisation());
        done(commit(&store, vec![insert_owner(&one), insert_owner(&other)]).await);
        let hash = |byte: u8| SecretHash::from_bytes(&[byte; 32]).unwrap();
        let taken = |lookup, owner: &OwnerRecord| TakenOver {
            lookup: hash(lookup),
            digest: hash(9),
            organisation: owner.organisation,
            owner: owner.id,
            at: Timestamp::from_millis(5),
        };
        let (record, _) = records.key(&one);
        let first = taken(1, &one);
        done(commit(&store, vec![Effect::TakeOver(first.clone()), insert(&record)]).await);
        for again in [taken(1, &one), taken(2, &one), taken(1, &other)] {
            let lost = commit(&store, vec![Effect::TakeOver(again.clone())]).await.unwrap();
            assert_eq!(lost, Commit::Lost, "{again:?}");
        }
        let second = taken(2, &other);
        done(commit(&store, vec![Effect::TakeOver(second.clone())]).await);
        done(commit(&store, vec![Effect::Remove(record.id)]).await);
        let digests = vec![hash(8), hash(9)];
        let found = store.find(Creation { owner: None, mark: None, digests }).await.unwrap();
        let mut taken = found.taken;
        taken.sort_unstable_by_key(|one| one.lookup);
        assert_eq!(taken, [first, second]);
        store.close().await;
    })
    .await;
}
