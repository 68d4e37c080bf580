//! Several nodes on one database, and a database that goes away.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::context::Clock;
use countersign_core::effect::Effect;
use countersign_core::ledger::{Commit, Unavailable};
use countersign_core::record::CredentialRecord;
use countersign_store::StoreUrl;
use countersign_testkit::{Records, each_database, on_postgres};

use crate::proxy::{Hanging, Lossy};
use crate::raw::{commit, done, insert, insert_owner, known, sql, stored, until};

#[tokio::test(flavor = "multi_thread")]
async fn safety_2_every_change_of_one_node_reaches_the_other_in_order() {
    on_postgres(async |fixture| {
        let a = Arc::new(fixture.open("a").await);
        let b = Arc::new(fixture.open("b").await);
        let mut records = Records::new(1);
        let organisation = records.organisation();
        done(commit(&a, vec![insert_owner(&organisation)]).await);
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..100 {
            let writer = Arc::clone(if number % 2 == 0 { &a } else { &b });
            let reader = Arc::clone(if number % 2 == 0 { &b } else { &a });
            let (record, key) = records.key(&organisation);
            writers.spawn(async move {
                done(commit(&writer, vec![insert(&record)]).await);
                // A miss causes one catch-up, which knows everything that was acknowledged before.
                assert_eq!(known(&reader, &key).await.unwrap().unwrap().id(), record.id);
            });
        }
        writers.join_all().await;
        let nodes = a.nodes().await.unwrap();
        assert_eq!(nodes.iter().map(|node| node.last_change).collect::<Vec<_>>(), [51, 50]);
        a.close().await;
        b.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_reaches_the_other_node_within_a_second() {
    on_postgres(async |fixture| {
        let (a, b) = (fixture.open("a").await, fixture.open("b").await);
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let (record, key) = records.key(&organisation);
        done(commit(&a, vec![insert_owner(&organisation), insert(&record)]).await);
        assert!(!known(&b, &key).await.unwrap().unwrap().life.revoked);
        let now = fixture.clock.now();
        done(commit(&a, vec![Effect::Revoke { credential: record.id, at: now }]).await);
        let since = tokio::time::Instant::now();
        until("the revocation arrives", async || known(&b, &key).await.unwrap().unwrap().life.revoked).await;
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
        done(commit(&b, vec![Effect::Remove(record.id)]).await);
        until("the removal arrives", async || known(&a, &key).await.unwrap().is_none()).await;
        a.close().await;
        b.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_refused_asks_the_feed_like_what_is_unknown() {
    on_postgres(async |fixture| {
        let (a, b) = (fixture.open("a").await, fixture.open("b").await);
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let (mut record, key) = records.key(&organisation);
        record.disabled_at = Some(fixture.clock.now());
        done(commit(&b, vec![insert_owner(&organisation), insert(&record)]).await);
        let is_disabled = async |store| known(store, &key).await.unwrap().unwrap().life.disabled;
        for _ in 0..20 {
            until("it is switched off", async || is_disabled(&a).await).await;
            for disabled_at in [None, record.disabled_at] {
                record.version += 1;
                let next = CredentialRecord { disabled_at, ..record.clone() };
                done(commit(&b, vec![Effect::Advance(next.into())]).await);
                if disabled_at.is_none() {
                    assert!(!is_disabled(&a).await, "the refusal is asked for once more");
                }
            }
        }
        a.close().await;
        b.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_were_pruned_are_made_up_by_reading_everything() {
    on_postgres(async |mut fixture| {
        // The follower does not follow by itself: it shall lag.
        let a = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let (record, key) = records.key(&organisation);
        done(commit(&a, vec![insert_owner(&organisation), insert(&record)]).await);
        fixture.limits.feed_interval = Some(Duration::from_secs(3600));
        let b = fixture.open("b").await;
        sql(&fixture, "LOCK TABLE change IN ACCESS EXCLUSIVE MODE; DELETE FROM change").await;
        let (late, late_key) = records.key(&organisation);
        done(commit(&a, vec![insert(&late)]).await);
        sql(&fixture, "DELETE FROM change").await;
        assert!(known(&b, &late_key).await.unwrap().is_some());
        assert!(known(&b, &key).await.unwrap().is_some());
        a.close().await;
        b.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn safety_3_a_store_that_went_back_is_read_anew_and_told_its_lost_revocations() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let (record, key) = records.key(&organisation);
        let (vanished, vanished_key) = records.key(&organisation);
        done(commit(&store, vec![insert_owner(&organisation), insert(&record)]).await);
        let backup = store.nodes().await.unwrap().remove(0);
        done(commit(&store, vec![insert(&vanished)]).await);
        let now = fixture.clock.now();
        done(commit(&store, vec![Effect::Revoke { credential: record.id, at: now }]).await);
        // Yesterday's backup is restored beneath the running node.
        let hash: String = backup.event_hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let hash = if fixture.is_shared() { format!("'\\x{hash}'") } else { format!("x'{hash}'") };
        let restore = format!(
            "BEGIN;
             UPDATE credential SET revoked_at = NULL, version = 1 WHERE id = '{}';
             DELETE FROM credential WHERE id = '{}';
             DELETE FROM change WHERE n > {change};
             DELETE FROM audit_event WHERE n > {event};
             UPDATE node SET last_change = {change}, last_event = {event}, event_hash = {hash};
             COMMIT",
            record.id,
            vanished.id,
            change = backup.last_change,
            event = backup.last_event,
        );
        sql(&fixture, &restore).await;
        assert!(store.snapshot().find(record.id.prefix(), key.read().text()).unwrap().life.revoked);
        store.catch_up().await.unwrap();
        assert!(known(&store, &key).await.unwrap().unwrap().life.revoked, "it stays revoked here");
        assert!(known(&store, &vanished_key).await.unwrap().is_none(), "what is not stored is not accepted");
        until("the revocation is written back", async || {
            stored(&store, &record).await.unwrap().revoked_at.is_some()
        })
        .await;
        let (another, _) = records.key(&organisation);
        done(commit(&store, vec![insert(&another)]).await);
        let chains = store.verify_audit().await.unwrap();
        assert!(chains.iter().all(|chain| chain.broken_at.is_none()), "{chains:?}");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn safety_3_the_committer_notices_a_restore_too() {
    each_database(async |mut fixture| {
        fixture.limits.feed_interval = Some(Duration::from_secs(3600));
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        done(commit(&store, vec![insert_owner(&organisation)]).await);
        sql(&fixture, "DELETE FROM audit_event; DELETE FROM change; DELETE FROM node").await;
        let (record, key) = records.key(&organisation);
        let refused = commit(&store, vec![insert(&record)]).await;
        assert!(
            matches!(&refused, Err(Unavailable::Store(text)) if text.contains("went back")),
            "{refused:?}"
        );
        until("the store was told", async || commit(&store, vec![insert(&record)]).await.is_ok()).await;
        let chains = store.verify_audit().await.unwrap();
        assert_eq!(
            (chains[0].broken_at, store.nodes().await.unwrap().len()),
            (None, 1),
            "a new chain begins"
        );
        store.catch_up().await.unwrap();
        assert!(known(&store, &key).await.unwrap().is_some());
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn safety_4_a_store_that_is_away_ages_the_snapshot_and_comes_back() {
    on_postgres(async |mut fixture| {
        fixture.limits.patience = Duration::from_secs(3);
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let (record, key) = records.key(&organisation);
        done(commit(&store, vec![insert_owner(&organisation), insert(&record)]).await);
        fixture.server().unwrap().stop();
        assert!(known(&store, &key).await.unwrap().is_some(), "a young snapshot answers");
        let refused = commit(&store, Vec::new()).await;
        assert!(matches!(refused, Err(Unavailable::Store(_))), "{refused:?}");
        assert!(store.catch_up().await.is_err());
        fixture.clock.advance(Duration::from_millis(5001));
        assert_eq!(known(&store, &key).await.unwrap_err(), Unavailable::Stale);
        fixture.server().unwrap().restart();
        until("the store is back", async || known(&store, &key).await.is_ok_and(|found| found.is_some()))
            .await;
        until("commits go through", async || commit(&store, Vec::new()).await == Ok(Commit::Done)).await;
        let chains = store.verify_audit().await.unwrap();
        assert!(chains.iter().all(|chain| chain.broken_at.is_none()), "{chains:?}");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn safety_4_a_primary_that_only_reads_is_not_fresh_though_it_answers() {
    on_postgres(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let (record, key) = records.key(&organisation);
        done(commit(&store, vec![insert_owner(&organisation), insert(&record)]).await);
        sql(&fixture, "ALTER SYSTEM SET default_transaction_read_only = on").await;
        sql(&fixture, "SELECT pg_reload_conf()").await;
        until("it only reads", async || commit(&store, Vec::new()).await.is_err()).await;
        fixture.clock.advance(Duration::from_millis(5001));
        for _ in 0..3 {
            assert_eq!(store.catch_up().await, Ok(()), "every question is answered");
            assert_eq!(known(&store, &key).await.unwrap_err(), Unavailable::Stale);
        }
        sql(&fixture, "ALTER SYSTEM RESET default_transaction_read_only").await;
        sql(&fixture, "SELECT pg_reload_conf()").await;
        until("it is well again", async || known(&store, &key).await.is_ok_and(|found| found.is_some()))
            .await;
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn safety_4_nothing_is_taken_from_a_database_without_our_own_last_commit() {
    on_postgres(async |mut fixture| {
        let a = fixture.open("a").await;
        fixture.limits.feed_interval = Some(Duration::from_secs(3600));
        let b = fixture.open("b").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        done(commit(&a, vec![insert_owner(&organisation)]).await);
        b.catch_up().await.unwrap();
        // A heartbeat may come in between.
        until("what was read is refused", async || {
            sql(&fixture, "UPDATE node SET heartbeat_at = 0 WHERE id = 'b'").await;
            b.catch_up().await.is_err_and(|error| error.to_string().contains("our own last commit"))
        })
        .await;
        until("the next heartbeat is read back", async || b.catch_up().await.is_ok()).await;
        a.close().await;
        b.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_host_that_hangs_does_not_keep_from_the_second() {
    on_postgres(async |mut fixture| {
        fixture.limits.patience = Duration::from_secs(4);
        let hanging = Hanging::new();
        let server = fixture.server().unwrap().host().to_owned();
        let hosts = format!("{},{}", hanging.host().display(), server.display());
        let url = StoreUrl::Postgres(format!("postgres:///postgres?host={hosts}&user=postgres"));
        let store = fixture.try_open_at(url, "a").await.unwrap();
        done(commit(&store, Vec::new()).await);
        // The one that answered is asked first now: what breaks is there again at once.
        fixture.server().unwrap().restart();
        let since = tokio::time::Instant::now();
        until("the writer is back", async || commit(&store, Vec::new()).await == Ok(Commit::Done)).await;
        until("the feed is back", async || store.catch_up().await.is_ok()).await;
        assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_with_its_connections_open_is_left_for_the_next() {
    on_postgres(async |mut fixture| {
        fixture.limits.patience = Duration::from_secs(2);
        let server = fixture.server().unwrap().host().to_owned();
        let proxy = Lossy::before(server.clone());
        let hosts = format!("{},{}", proxy.host().display(), server.display());
        let url = StoreUrl::Postgres(format!("postgres:///postgres?host={hosts}&user=postgres"));
        let store = Arc::new(fixture.try_open_at(url, "a").await.unwrap());
        // Every reading connection is used, and hangs.
        let mut readers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let store = Arc::clone(&store);
            readers.spawn(async move { store.nodes().await.is_ok() });
        }
        assert!(readers.join_all().await.iter().all(|read| *read));
        proxy.hang();
        until("the writer is back", async || commit(&store, Vec::new()).await == Ok(Commit::Done)).await;
        until("the feed is back", async || store.catch_up().await.is_ok()).await;
        for _ in 0..8 {
            assert!(store.nodes().await.is_ok(), "no connection that hangs is kept");
        }
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_write_after_an_idle_connection_died_goes_through() {
    on_postgres(async |fixture| {
        let store = fixture.open("a").await;
        for _ in 0..5 {
            done(commit(&store, Vec::new()).await);
            sql(
                &fixture,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'countersign'",
            )
            .await;
            done(commit(&store, Vec::new()).await);
        }
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_commit_is_found_out_and_costs_what_is_new() {
    on_postgres(async |mut fixture| {
        fixture.limits.patience = Duration::from_secs(10);
        let proxy = Lossy::before(fixture.server().unwrap().host().to_owned());
        let url = format!("postgres:///postgres?host={}&user=postgres", proxy.host().display());
        let store = fixture.try_open_at(StoreUrl::Postgres(url), "a").await.unwrap();
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let mut effects = vec![insert_owner(&organisation)];
        effects.extend((0..2000).map(|_| insert(&records.key(&organisation).0)));
        done(commit(&store, effects).await);
        for _ in 0..3 {
            let (record, key) = records.key(&organisation);
            let told = proxy.told();
            proxy.lose();
            // The heartbeat's answer may be the one that is lost: then the next commit is asked for.
            done(commit(&store, vec![insert(&record)]).await);
            until("an answer is lost", async || proxy.has_lost()).await;
            assert!(store.snapshot().find(record.id.prefix(), key.read().text()).is_some());
            done(
                commit(&store, vec![Effect::Revoke { credential: record.id, at: fixture.clock.now() }]).await,
            );
            assert!(known(&store, &key).await.unwrap().unwrap().life.revoked);
            let told = proxy.told() - told;
            assert!(told < 100_000, "{told} bytes were read for one commit");
        }
        let chains = store.verify_audit().await.unwrap();
        assert_eq!((chains[0].broken_at, chains[0].events), (None, 7), "nothing was done twice");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_under_load_loses_no_acknowledged_commit() {
    on_postgres(async |mut fixture| {
        fixture.limits.patience = Duration::from_secs(5);
        let store = Arc::new(fixture.open("a").await);
        let mut records = Records::new(1);
        let organisation = records.organisation();
        done(commit(&store, vec![insert_owner(&organisation)]).await);
        let mut acknowledged = Vec::new();
        for round in 0..4 {
            let mut writers = tokio::task::JoinSet::new();
            for _ in 0..64 {
                let (record, _) = records.key(&organisation);
                let store = Arc::clone(&store);
                writers.spawn(async move { (commit(&store, vec![insert(&record)]).await, record) });
            }
            if round % 2 == 1 {
                sql(
                    &fixture,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'countersign'",
                )
                .await;
            }
            for (outcome, record) in writers.join_all().await {
                match outcome {
                    Ok(Commit::Done) => acknowledged.push(record),
                    Ok(Commit::Lost) => panic!("nobody else writes"),
                    Err(_) => {}
                }
            }
            until("the writer is back", async || commit(&store, Vec::new()).await == Ok(Commit::Done)).await;
        }
        until("the feed is back", async || store.catch_up().await.is_ok()).await;
        for record in &acknowledged {
            assert!(stored(&store, record).await.is_some());
        }
        let chains = store.verify_audit().await.unwrap();
        assert!(chains.iter().all(|chain| chain.broken_at.is_none()), "{chains:?}");
        let count = store.snapshot().len();
        store.close().await;
        let again = fixture.open("a").await;
        assert_eq!(again.snapshot().len(), count, "the snapshot had learnt the outcome of every commit");
        again.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_of_the_same_name_ends_the_first() {
    on_postgres(async |fixture| {
        let (first, second) = (fixture.open("a").await, fixture.open("a").await);
        done(commit(&second, Vec::new()).await);
        let refused = commit(&first, Vec::new()).await;
        assert!(
            matches!(&refused, Err(Unavailable::Store(text)) if text.contains("another process")),
            "{refused:?}"
        );
        assert!(first.failed().await.contains("node name a"));
        done(commit(&second, Vec::new()).await);
        first.close().await;
        second.close().await;
    })
    .await;
}
