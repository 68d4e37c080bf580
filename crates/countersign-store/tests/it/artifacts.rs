//! What is handed out to clients, and what people allow them, on both databases.

use std::time::Duration;

use countersign_core::context::{Clock as _, SeededEntropy};
use countersign_core::effect::Effect;
use countersign_core::id::{CredentialId, OwnerId, OwnerKind};
use countersign_core::ledger::{Commit, Durable as _, Find as _};
use countersign_core::question::{ArtifactKey, ArtifactOf, ConsentOf, ConsentTo};
use countersign_core::reach::Reach;
use countersign_core::record::{ArtifactRecord, ConsentRecord, OwnerRecord};
use countersign_core::secret::Purpose;
use countersign_core::token::{FAMILY, GRANT};
use countersign_store::{ConsentFilter, PageRequest, SessionsOf, Store};

use countersign_testkit::{Fixture, each_database};

const KIND: &str = "authorization_code";

struct World {
    organisation: OwnerRecord,
    client: OwnerRecord,
    person: OwnerRecord,
    entropy: SeededEntropy,
}

impl World {
    async fn new(store: &Store, fixture: &Fixture) -> Self {
        let mut entropy = SeededEntropy::new(7);
        let now = fixture.clock.now();
        let mut draw = |kind| OwnerId::random(kind, &mut entropy);
        let (first, client, person) =
            (draw(OwnerKind::Organisation), draw(OwnerKind::Client), draw(OwnerKind::User));
        let owner = |id| OwnerRecord::new(id, first, "o".into(), now);
        let world =
            Self { organisation: owner(first), client: owner(client), person: owner(person), entropy };
        for owner in [&world.organisation, &world.client, &world.person] {
            assert_eq!(commit(store, vec![Effect::Insert(owner.clone().into())]).await, Commit::Done);
        }
        world
    }

    fn code(&mut self, store: &Store, fixture: &Fixture, text: &str) -> ArtifactRecord {
        ArtifactRecord {
            kind: KIND,
            lookup: store.snapshot().peppers().current().hash(Purpose::Credential, text),
            second_lookup: None,
            version: 1,
            family: CredentialId::random(FAMILY, &mut self.entropy),
            grant: Some(CredentialId::random(GRANT, &mut self.entropy)),
            parent: None,
            client: Some(self.client.id),
            subject: None,
            organisation: self.organisation.id,
            expires_at: fixture.clock.now().plus(Duration::from_secs(60)),
            payload: "{}".into(),
        }
    }

    fn consent(&mut self, store: &Store, fixture: &Fixture) -> ConsentRecord {
        ConsentRecord {
            id: CredentialId::random(GRANT, &mut self.entropy),
            client: self.client.id,
            subject: self.person.id,
            organisation: self.organisation.id,
            scopes: "openid orders:read".parse().unwrap(),
            client_hash: store.snapshot().peppers().current().hash(Purpose::Credential, "shown"),
            version: 1,
            created_at: fixture.clock.now(),
            updated_at: fixture.clock.now(),
        }
    }
}

async fn commit(store: &Store, effects: Vec<Effect>) -> Commit {
    store.commit(effects, Vec::new()).await.unwrap()
}

async fn find(store: &Store, by: ArtifactKey) -> Option<ArtifactRecord> {
    store.find(ArtifactOf { kind: KIND, by }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_is_found_in_each_way_and_advances_once_from_each_version() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut world = World::new(&store, &fixture).await;
        let record = world.code(&store, &fixture, "one");
        assert_eq!(commit(&store, vec![Effect::Insert(record.clone().into())]).await, Commit::Done);
        let text = |text: &str| ArtifactKey::text(store.snapshot().peppers(), text);
        assert_eq!(find(&store, text("one")).await.as_ref(), Some(&record));
        assert_eq!(find(&store, ArtifactKey::Family(record.family)).await.as_ref(), Some(&record));
        assert_eq!(find(&store, text("two")).await, None);
        let other = ArtifactOf { kind: "device_code", by: text("one") };
        assert_eq!(store.find(other).await.unwrap(), None, "attack 16: kinds do not stand in for each other");
        let next = ArtifactRecord {
            lookup: store.snapshot().peppers().current().hash(Purpose::Credential, "two"),
            second_lookup: Some(record.lookup),
            version: 2,
            subject: Some(world.person.id),
            payload: "[]".into(),
            ..record.clone()
        };
        for expected in [Commit::Done, Commit::Lost] {
            assert_eq!(commit(&store, vec![Effect::Advance(next.clone().into())]).await, expected);
        }
        let second = ArtifactKey::second_text(store.snapshot().peppers(), "one");
        assert_eq!(find(&store, second).await.as_ref(), Some(&next));
        assert_eq!(find(&store, text("one")).await, None);
        for _ in 0..2 {
            let discard = Effect::Discard { kind: KIND, family: record.family };
            assert_eq!(commit(&store, vec![discard]).await, Commit::Done);
        }
        assert_eq!(find(&store, text("two")).await, None);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_began_in_a_session_ends_with_it_and_a_persons_sessions_are_read_in_pages() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut world = World::new(&store, &fixture).await;
        let session = CredentialId::random(FAMILY, &mut SeededEntropy::new(9));
        let mut rows = Vec::new();
        for (kind, text, ends) in [
            ("sign_in", "one", 9),
            ("web_session", "two", 3),
            ("web_session", "three", 1),
            ("code", "four", 5),
        ] {
            let expires_at = fixture.clock.now().plus(Duration::from_secs(ends));
            let bare = world.code(&store, &fixture, text);
            let parent = (kind != "sign_in").then_some(session);
            rows.push(ArtifactRecord { kind, parent, subject: Some(world.person.id), expires_at, ..bare });
        }
        let strangers = ArtifactRecord { kind: "sign_in", ..world.code(&store, &fixture, "five") };
        let effects = rows.iter().chain([&strangers]).map(|one| Effect::Insert(one.clone().into())).collect();
        assert_eq!(commit(&store, effects).await, Commit::Done);
        let mut request = PageRequest { limit: 1, cursor: None };
        let page = store.sessions(SessionsOf::Issuer, world.person.id, &request).await.unwrap();
        assert_eq!((page.rows, page.next), (vec![rows[0].clone()], None));
        for expected in [&rows[2], &rows[1]] {
            let page = store.sessions(SessionsOf::WebApps, world.person.id, &request).await.unwrap();
            assert_eq!(page.rows, std::slice::from_ref(expected), "those that end first first");
            request.cursor = page.next;
        }
        assert_eq!(request.cursor, None);
        for _ in 0..2 {
            assert_eq!(commit(&store, vec![Effect::Abandon(session)]).await, Commit::Done);
        }
        let page = store.sessions(SessionsOf::WebApps, world.person.id, &request).await.unwrap();
        assert!(page.rows.is_empty());
        let page = store.sessions(SessionsOf::Issuer, world.person.id, &request).await.unwrap();
        assert_eq!(page.rows.len(), 1);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_allows_is_one_row_and_goes_with_all_that_was_handed_out() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut world = World::new(&store, &fixture).await;
        let consent = world.consent(&store, &fixture);
        let code = ArtifactRecord { grant: Some(consent.id), ..world.code(&store, &fixture, "one") };
        let other = world.code(&store, &fixture, "two");
        let effects = [consent.clone().into(), code.clone().into(), other.clone().into()].map(Effect::Insert);
        assert_eq!(commit(&store, effects.into()).await, Commit::Done);
        let second = ConsentRecord { ..world.consent(&store, &fixture) };
        assert_eq!(commit(&store, vec![Effect::Insert(second.into())]).await, Commit::Lost, "one for a pair");
        let pair = ConsentTo { client: world.client.id, subject: world.person.id };
        assert_eq!(store.find(pair).await.unwrap().as_ref(), Some(&consent));
        let next = ConsentRecord { version: 2, scopes: "openid".parse().unwrap(), ..consent.clone() };
        for expected in [Commit::Done, Commit::Lost] {
            assert_eq!(commit(&store, vec![Effect::Advance(next.clone().into())]).await, expected);
        }
        assert_eq!(store.find(ConsentOf(consent.id)).await.unwrap().as_ref(), Some(&next));
        let request = PageRequest { limit: 10, cursor: None };
        let (client, subject) = (Some(world.client.id), Some(world.person.id));
        for (reach, filter, rows) in [
            (Reach::Installation, ConsentFilter::default(), 1),
            (Reach::Organisation(world.organisation.id), ConsentFilter { client, subject }, 1),
            (Reach::Owner(world.person.id), ConsentFilter { client, subject: None }, 1),
            (Reach::Owner(world.person.id), ConsentFilter { client: subject, subject: None }, 0),
            (Reach::Nothing, ConsentFilter::default(), 0),
        ] {
            let page = store.consents(reach, filter, &request).await.unwrap();
            assert_eq!(page.rows.len(), rows, "{reach:?}");
        }
        for _ in 0..2 {
            assert_eq!(commit(&store, vec![Effect::Withdraw(consent.id)]).await, Commit::Done);
        }
        assert_eq!(store.find(ConsentOf(consent.id)).await.unwrap(), None);
        assert_eq!(find(&store, ArtifactKey::Family(code.family)).await, None);
        assert!(find(&store, ArtifactKey::Family(other.family)).await.is_some());
        store.close().await;
    })
    .await;
}
