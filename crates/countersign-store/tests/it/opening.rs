//! What is opened, and what is refused with its reason.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use countersign_store::{OpenError, StoreUrl};
use countersign_testkit::{Fixture, Records, each_database, on_postgres, on_sqlite};

use crate::raw::{commit, done, insert, insert_owner, known, sql};

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_or_newer_database_is_left_alone() {
    each_database(async |fixture| {
        sql(&fixture, "CREATE TABLE invoices (id BIGINT)").await;
        let error = fixture.try_open("a").await.unwrap_err();
        assert!(matches!(&error, OpenError::Foreign { table, .. } if table == "invoices"), "{error}");
        sql(&fixture, "CREATE TABLE meta (key TEXT)").await;
        let error = fixture.try_open("a").await.unwrap_err();
        assert!(matches!(&error, OpenError::Foreign { .. }), "{error}");
        sql(&fixture, "DROP TABLE meta; DROP TABLE invoices").await;
        fixture.open("a").await.close().await;
        fixture.open("a").await.close().await;
        sql(&fixture, "UPDATE meta SET value = '99' WHERE name = 'schema'").await;
        let error = fixture.try_open("a").await.unwrap_err();
        assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_at_once_migrate_once() {
    on_postgres(async |fixture| {
        let (a, b, c) = tokio::join!(fixture.open("a"), fixture.open("b"), fixture.open("c"));
        assert_eq!(a.nodes().await.unwrap().len(), 3);
        for store in [a, b, c] {
            store.close().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reopened_store_knows_what_it_knew() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let client = records.client(&organisation);
        let (record, key) = records.key(&client);
        done(commit(&store, vec![insert_owner(&organisation), insert_owner(&client), insert(&record)]).await);
        store.close().await;
        let store = fixture.open("a").await;
        assert_eq!(known(&store, &key).await.unwrap().unwrap().id(), record.id);
        assert_eq!(store.nodes().await.unwrap()[0].incarnation, 2);
        drop(store);
        // A store that was dropped and not closed leaves the database in order.
        let store = fixture.open("a").await;
        assert!(known(&store, &key).await.unwrap().is_some());
        store.close().await;
    })
    .await;
}

fn path(fixture: &Fixture) -> PathBuf {
    match fixture.url() {
        StoreUrl::Sqlite(path) => path,
        StoreUrl::Postgres(_) => panic!("a server has no path"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_its_owners_alone() {
    on_sqlite(async |fixture| {
        let store = fixture.open("a").await;
        done(commit(&store, Vec::new()).await);
        for entry in std::fs::read_dir(path(&fixture).parent().unwrap()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        }
        store.close().await;
        let left: Vec<_> = std::fs::read_dir(path(&fixture).parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "closing leaves one file: {left:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_or_damaged_says_so() {
    on_sqlite(async |fixture| {
        std::fs::write(
            path(&fixture),
            "this is a text, and long enough to be looked at as if it were a page. ".repeat(99),
        )
        .unwrap();
        let error = fixture.try_open("a").await.unwrap_err();
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
        std::fs::remove_file(path(&fixture)).unwrap();

        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        done(commit(&store, vec![insert_owner(&organisation)]).await);
        for _ in 0..50 {
            done(commit(&store, vec![insert(&records.key(&organisation).0)]).await);
        }
        store.close().await;
        let whole = std::fs::read(path(&fixture)).unwrap();
        let mut holes = whole.clone();
        for page in holes.chunks_mut(4096).skip(2) {
            page.fill(0xA5);
        }
        for damaged in [&whole[..whole.len() / 2], &holes] {
            std::fs::write(path(&fixture), damaged).unwrap();
            let error = fixture.try_open("a").await.unwrap_err();
            assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
            assert!(error.to_string().contains("countersign.db"), "{error}");
        }
        std::fs::write(path(&fixture), &whole).unwrap();
        fixture.open("a").await.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_cannot_be_used_is_named() {
    on_sqlite(async |fixture| {
        std::fs::create_dir(path(&fixture)).unwrap();
        let error = fixture.try_open("a").await.unwrap_err();
        assert!(
            matches!(&error, OpenError::File { place, .. } if place.ends_with("countersign.db")),
            "{error}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_named_without_its_password() {
    on_postgres(async |mut fixture| {
        fixture.server().unwrap().stop();
        let error = fixture.try_open("a").await.unwrap_err();
        assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
    })
    .await;
}
