//! SAFETY 3: what has ended stays ended, though the store goes back behind it.

use std::time::Duration;

use countersign_core::context::Clock as _;
use countersign_core::effect::Effect;
use countersign_core::key_string::KeyString;
use countersign_core::record::{CredentialRecord, OwnerRecord};
use countersign_core::timestamp::Timestamp;
use countersign_store::{Store, StoreUrl};
use countersign_testkit::{Fixture, Records, on_postgres, on_sqlite};

use crate::raw::{commit, done, insert, insert_owner, known, stored, until};

/// One key for each way to end.
struct Ground {
    now: Timestamp,
    revoked: (CredentialRecord, KeyString),
    removed: (CredentialRecord, KeyString),
    disabled: (CredentialRecord, KeyString),
    shortened: (CredentialRecord, KeyString),
    rotated: (CredentialRecord, KeyString),
    of_owner: (CredentialRecord, KeyString),
    enabled: (CredentialRecord, KeyString),
    successor: (CredentialRecord, KeyString),
    owner: OwnerRecord,
}

impl Ground {
    async fn lay(fixture: &Fixture, store: &Store) -> Self {
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let owner = records.client(&organisation);
        let mut key = || records.key(&organisation);
        let (revoked, removed, disabled, shortened) = (key(), key(), key(), key());
        let (rotated, enabled, successor) = (key(), key(), key());
        let of_owner = records.key(&owner);
        let now = fixture.clock.now();
        let mut effects = vec![insert_owner(&organisation), insert_owner(&owner)];
        for (record, _) in [&revoked, &removed, &disabled, &shortened, &rotated, &of_owner, &enabled] {
            effects.push(insert(record));
        }
        done(commit(store, effects).await);
        Self { now, revoked, removed, disabled, shortened, rotated, of_owner, enabled, successor, owner }
    }

    /// Ends each, in its way.
    async fn end(&self, store: &Store) {
        let next = |record: &CredentialRecord, version| CredentialRecord { version, ..record.clone() };
        let disabled = CredentialRecord { disabled_at: Some(self.now), ..next(&self.disabled.0, 2) };
        let shortened = CredentialRecord { expires_at: Some(self.now), ..next(&self.shortened.0, 2) };
        let rotated = CredentialRecord { expires_at: Some(self.now), ..next(&self.rotated.0, 2) };
        let switched = CredentialRecord { disabled_at: Some(self.now), ..next(&self.enabled.0, 2) };
        let owner = OwnerRecord { disabled_at: Some(self.now), version: 2, ..self.owner.clone() };
        done(commit(store, vec![Effect::Revoke { credential: self.revoked.0.id, at: self.now }]).await);
        done(commit(store, vec![Effect::Remove(self.removed.0.id)]).await);
        done(commit(store, vec![Effect::Advance(disabled.into())]).await);
        done(commit(store, vec![Effect::Advance(shortened.into())]).await);
        done(commit(store, vec![Effect::Advance(rotated.into()), insert(&self.successor.0)]).await);
        done(commit(store, vec![Effect::Advance(owner.into())]).await);
        done(commit(store, vec![Effect::Advance(switched.into())]).await);
    }

    /// Tells how many live by what a node's verifiers say; `None`: it decides nothing now.
    async fn living(&self, store: &Store) -> Option<Vec<&'static str>> {
        let mut living = Vec::new();
        for (name, (_, key)) in [
            ("revoked", &self.revoked),
            ("removed", &self.removed),
            ("disabled", &self.disabled),
            ("shortened", &self.shortened),
            ("rotated", &self.rotated),
            ("of_owner", &self.of_owner),
        ] {
            let found = known(store, key).await.ok()?;
            if found.is_some_and(|known| known.owner.is_live() && known.life.state(self.now).name() == "live")
            {
                living.push(name);
            }
        }
        Some(living)
    }

    /// Demands that every ending is stored.
    async fn is_stored(&self, store: &Store) {
        assert!(stored(store, &self.revoked.0).await.unwrap().revoked_at.is_some());
        assert_eq!(stored(store, &self.removed.0).await, None);
        assert_eq!(stored(store, &self.disabled.0).await.unwrap().disabled_at, Some(self.now));
        for (record, _) in [&self.shortened, &self.rotated] {
            assert_eq!(stored(store, record).await.unwrap().expires_at, Some(self.now));
        }
        assert!(
            known(store, &self.successor.1).await.unwrap().is_none(),
            "what is not stored is not accepted"
        );
        let chains = store.verify_audit().await.unwrap();
        assert!(chains.iter().all(|chain| chain.broken_at.is_none()), "{chains:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn safety_3_ended_stays_ended_after_a_failover_to_a_lagging_standby() {
    on_postgres(async |mut fixture| {
        fixture.limits.patience = Duration::from_secs(5);
        let (a, b) = (fixture.open("a").await, fixture.open("b").await);
        let ground = Ground::lay(&fixture, &a).await;
        fixture.server().unwrap().keep();
        until("the writer is back", async || commit(&a, Vec::new()).await.is_ok()).await;
        ground.end(&a).await;
        until("the other node knows", async || ground.living(&b).await == Some(Vec::new())).await;
        fixture.server().unwrap().go_back();
        for store in [&b, &a] {
            until("it is written back", async || {
                let living = ground.living(store).await.unwrap_or_default();
                assert_eq!(living, Vec::<&str>::new(), "what has ended lives again");
                store.catch_up().await.is_ok()
                    && stored(store, &ground.disabled.0).await.unwrap().disabled_at.is_some()
            })
            .await;
            ground.is_stored(store).await;
        }
        // What was ended may be taken back later, and that is not undone.
        let mut record = stored(&a, &ground.enabled.0).await.unwrap();
        (record.version, record.disabled_at) = (record.version + 1, None);
        done(commit(&a, vec![Effect::Advance(record.into())]).await);
        a.close().await;
        b.close().await;
        let a = fixture.open("a").await;
        assert_eq!(ground.living(&a).await, Some(Vec::new()));
        assert!(!known(&a, &ground.enabled.1).await.unwrap().unwrap().life.disabled);
        a.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn safety_3_ended_stays_ended_though_the_node_was_restarted_in_between() {
    on_postgres(async |mut fixture| {
        let store = fixture.open("a").await;
        let ground = Ground::lay(&fixture, &store).await;
        store.close().await;
        fixture.server().unwrap().keep();
        let store = fixture.open("a").await;
        ground.end(&store).await;
        let incarnation = store.nodes().await.unwrap()[0].incarnation;
        store.close().await;
        fixture.server().unwrap().go_back();
        let store = fixture.open("a").await;
        assert_eq!(ground.living(&store).await, Some(Vec::new()));
        ground.is_stored(&store).await;
        let nodes = store.nodes().await.unwrap();
        assert!(nodes[0].incarnation > incarnation, "a counter that went back is not given out twice");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn safety_3_ended_stays_ended_after_yesterdays_file_was_restored() {
    on_sqlite(async |fixture| {
        let StoreUrl::Sqlite(path) = fixture.url() else { return };
        let store = fixture.open("a").await;
        let ground = Ground::lay(&fixture, &store).await;
        store.close().await;
        let backup = std::fs::read(&path).unwrap();
        let store = fixture.open("a").await;
        ground.end(&store).await;
        store.close().await;
        std::fs::write(&path, backup).unwrap();
        let store = fixture.open("a").await;
        assert_eq!(ground.living(&store).await, Some(Vec::new()));
        ground.is_stored(&store).await;
        store.close().await;
    })
    .await;
}
