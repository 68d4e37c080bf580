//! Lists, narrowed by reach.

use std::time::Duration;

use countersign_core::api_key;
use countersign_core::context::Clock;
use countersign_core::ledger::Durable;
use countersign_core::management_key;
use countersign_core::reach::Reach;
use countersign_store::{AuditRequest, CredentialFilter, PageRequest, Store};
use countersign_testkit::{Records, each_database};

use crate::raw::{commit, done, insert, insert_owner, line};

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_listed_by_reach_owner_and_state_page_by_page() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let (ours, theirs) = (records.organisation(), records.organisation());
        let client = records.client(&ours);
        done(commit(&store, vec![insert_owner(&ours), insert_owner(&theirs), insert_owner(&client)]).await);
        let now = fixture.clock.now();
        let mut ids = Vec::new();
        for (index, owner) in [&ours, &client, &theirs, &client, &ours].into_iter().enumerate() {
            let (mut record, _) = records.key(owner);
            match index {
                1 => record.revoked_at = Some(now),
                3 => record.expires_at = Some(now),
                4 => record.disabled_at = Some(now),
                _ => {}
            }
            done(commit(&store, vec![insert(&record)]).await);
            ids.push(record.id);
        }
        let (management, _) = records.credential(&ours, &management_key::KIND);
        done(commit(&store, vec![insert(&management)]).await);

        let check = async |reach, owner, state: Option<&str>, expected: &[usize]| {
            let state = state.map(|state| state.parse().unwrap());
            let filter = CredentialFilter { kind: &api_key::KIND, owner, state };
            let mut found = Vec::new();
            let mut request = PageRequest { limit: 2, cursor: None };
            loop {
                let page = store.credentials(reach, &filter, &request, now).await.unwrap();
                assert!(page.rows.len() <= 2);
                found.extend(page.rows.iter().map(|record| record.id));
                let Some(next) = page.next else { break };
                request.cursor = Some(next.to_string().parse().unwrap());
            }
            let expected: Vec<_> = expected.iter().map(|index| ids[*index]).collect();
            assert_eq!(found, expected, "{reach:?} {state:?}");
        };
        check(Reach::Installation, None, None, &[0, 1, 2, 3, 4]).await;
        check(Reach::Organisation(ours.id), None, None, &[0, 1, 3, 4]).await;
        check(Reach::Organisation(theirs.id), None, None, &[2]).await;
        check(Reach::Owner(client.id), None, None, &[1, 3]).await;
        check(Reach::Nothing, None, None, &[]).await;
        check(Reach::Organisation(ours.id), Some(client.id), None, &[1, 3]).await;
        check(Reach::Organisation(theirs.id), Some(client.id), None, &[]).await;
        check(Reach::Installation, None, Some("live"), &[0, 2]).await;
        check(Reach::Installation, None, Some("revoked"), &[1]).await;
        check(Reach::Installation, None, Some("expired"), &[3]).await;
        check(Reach::Installation, None, Some("disabled"), &[4]).await;
        owners(
            &store,
            [(Reach::Installation, 3), (Reach::Organisation(ours.id), 2), (Reach::Owner(client.id), 1)],
        )
        .await;
        owners(
            &store,
            [(Reach::Organisation(theirs.id), 1), (Reach::Owner(theirs.id), 1), (Reach::Nothing, 0)],
        )
        .await;
        store.close().await;
    })
    .await;
}

async fn owners(store: &Store, rows: [(Reach, usize); 3]) {
    for (reach, expected) in rows {
        let page = store.owners(reach, &PageRequest { limit: 10, cursor: None }).await.unwrap();
        assert_eq!(page.rows.len(), expected, "{reach:?}");
        assert_eq!(page.next, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_is_listed_by_reach_from_either_end() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let (ours, theirs) = (records.organisation().id, records.organisation().id);
        for organisation in [Some(ours), Some(theirs), None, Some(ours)] {
            done(store.commit(Vec::new(), vec![line("x").within(organisation)]).await);
            fixture.clock.advance(Duration::from_millis(1));
        }
        let numbers = async |reach, last, limit, after: Option<&str>| {
            let after = after.map(|after| after.parse().unwrap());
            let request = AuditRequest { node: None, after, last, limit };
            store.audit(reach, &request).await.unwrap().into_iter().map(|row| row.n).collect::<Vec<_>>()
        };
        assert_eq!(numbers(Reach::Installation, false, 10, None).await, [1, 2, 3, 4]);
        assert_eq!(numbers(Reach::Installation, false, 2, Some("a:1")).await, [2, 3]);
        assert_eq!(numbers(Reach::Installation, true, 2, None).await, [3, 4]);
        assert_eq!(numbers(Reach::Organisation(ours), false, 10, None).await, [1, 4]);
        assert_eq!(numbers(Reach::Organisation(theirs), true, 10, None).await, [2]);
        assert_eq!(numbers(Reach::Owner(ours), false, 10, None).await, [0; 0]);
        assert_eq!(numbers(Reach::Nothing, true, 10, None).await, [0; 0]);
        store.close().await;
    })
    .await;
}
