//! Races of signing keys: 64 rotations and revocations of one slot at a time, over two nodes where there can be two,
//! fifty rounds.

use std::sync::LazyLock;

use countersign_core::context::{Clock as _, SeededEntropy};
use countersign_core::due::Due;
use countersign_core::exchange::System;
use countersign_core::id::CredentialId;
use countersign_core::ledger::{Find as _, Unavailable};
use countersign_core::question::KeysOf;
use countersign_core::signing_key::{KeyPurpose, KeyState, SEALED, SIGNING_KEY, SigningKeyRecord, Slot};
use countersign_core::signing_keys::{Begin, Beginning, FreshKey, RevokeKey, Rotate, RotateInTime};
use countersign_core::timestamp::Timestamp;
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::SigningKey;
use countersign_store::Store;
use countersign_testkit::{Fixture, each_database};
use futures_util::future::join_all;

use crate::acts::{operator, performed};
use crate::nodes::{AT_ONCE, Nodes, ROUNDS};
use crate::raw::until;

/// Those whose keys are made in no time.
const ALGORITHMS: [SignatureAlgorithm; 4] = [
    SignatureAlgorithm::Es256,
    SignatureAlgorithm::Es384,
    SignatureAlgorithm::Es512,
    SignatureAlgorithm::EdDsa,
];

/// What became of one of those who race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// It made a key.
    Made(CredentialId),
    /// The key is revoked, whoever did it, and whether or not another was needed.
    Revoked,
    /// Somebody else had done it.
    Nothing,
    /// Others changed the slot again and again meanwhile; it is told, and nothing was done.
    Contended,
}

/// Makes a key that nothing is signed with: one public key does for all of a slot.
fn fresh(slot: Slot, seed: u64) -> FreshKey {
    static PAIRS: LazyLock<[(SignatureAlgorithm, String); 4]> = LazyLock::new(|| {
        ALGORITHMS.map(|one| (one, SigningKey::generate(one).unwrap().public().to_jwk().to_string()))
    });
    let jwk = PAIRS.iter().find(|(algorithm, _)| *algorithm == slot.algorithm).unwrap().1.clone();
    let id = CredentialId::random(SIGNING_KEY, &mut SeededEntropy::new(seed));
    FreshKey { id, jwk, sealed: id.to_string().into_bytes() }
}

/// A slot before a race.
struct Before {
    slot: Slot,
    keys: Vec<SigningKeyRecord>,
    current: CredentialId,
    due: Due,
}

impl Before {
    async fn read(store: &Store, slot: Slot, now: Timestamp) -> Self {
        let keys = store.find(KeysOf(slot)).await.unwrap();
        let ([current], [last]) =
            (&*active(&keys, now), &*keys.iter().filter_map(SigningKeyRecord::due).collect::<Vec<_>>())
        else {
            panic!("one key signs, and one will have a successor: {keys:?}")
        };
        Self { slot, current: *current, due: last.clone(), keys }
    }
}

/// Returns those that sign at an instant.
fn active(keys: &[SigningKeyRecord], at: Timestamp) -> Vec<CredentialId> {
    keys.iter().filter(|key| key.state(at) == KeyState::Active).map(|key| key.id).collect()
}

/// Rotates, rotates in time or revokes: each number has its act, so that all of them meet.
async fn race(fixture: &Fixture, store: &Store, before: &Before, seed: u64) -> Ended {
    let (slot, by, fresh) = (before.slot, operator(), fresh(before.slot, seed));
    let (made, revoked) = (Ended::Made(fresh.id), Ended::Revoked);
    let rotate = |beginning, fresh| Rotate { slot, fresh, beginning };
    // Who comes first is another one each round.
    let act = (seed + seed / 100) % 4;
    let ended = match act {
        0 => granted(performed(seed, fixture, store, &by, &rotate(Beginning::Now, fresh)).await, made),
        1 => granted(performed(seed, fixture, store, &by, &rotate(Beginning::Published, fresh)).await, made),
        2 => {
            let act = RotateInTime { due: before.due.clone(), slot, fresh };
            granted(performed(seed, fixture, store, &System, &act).await, made)
        }
        _ => {
            let act = RevokeKey { id: before.current, slot, fresh };
            granted(performed(seed, fixture, store, &by, &act).await, revoked)
        }
    };
    assert!(act == 2 || ended != Ended::Nothing, "only what is done in time may be done already");
    ended
}

fn granted<A, R>(ended: Result<Result<A, R>, Unavailable>, ended_well: Ended) -> Ended {
    match ended {
        Ok(Ok(_)) => ended_well,
        Ok(Err(_)) => Ended::Nothing,
        Err(unavailable) => {
            assert_eq!(unavailable, Unavailable::Contended);
            Ended::Contended
        }
    }
}

/// Demands that a race has left one slot, whole.
async fn left_whole(nodes: &Nodes, before: &Before, ended: &[Ended], now: Timestamp) {
    let keys = nodes.first.find(KeysOf(before.slot)).await.unwrap();
    let numbers: Vec<_> = keys.iter().map(|key| key.number).collect();
    assert_eq!(numbers, (1..).take(keys.len()).collect::<Vec<_>>(), "each number was taken once");
    for key in &before.keys {
        let Some(after) = keys.iter().find(|after| after.id == key.id) else { panic!("lost: {key:?}") };
        let is_revoked = key.id == before.current && ended.contains(&Ended::Revoked);
        assert_eq!(after.revoked_at.is_some(), key.revoked_at.is_some() || is_revoked, "{after:?}");
    }
    let made: Vec<_> = keys.iter().skip(before.keys.len()).map(|key| key.id).collect();
    let told = ended.iter().filter(|one| matches!(one, Ended::Made(id) if made.contains(id))).count();
    assert_eq!(
        told,
        ended.iter().filter(|one| matches!(one, Ended::Made(_))).count(),
        "whoever was told it made one did"
    );
    assert!((told..=told + 1).contains(&made.len()), "a revocation makes one key at most: {ended:?}");
    for at in keys.iter().map(|key| key.active_at.max(now)) {
        assert_eq!(active(&keys, at).len(), 1, "one key signs at {at}: {keys:?}");
    }
    let current = active(&keys, now).remove(0);
    for store in [nodes.of(0), nodes.of(1)] {
        until("the key of the slot is told", async || {
            store.snapshot().signer(before.slot, now).is_some_and(|key| key.id() == current)
        })
        .await;
        for id in &made {
            let sealed = store.sealed(SEALED, &id.to_string()).await.unwrap();
            assert_eq!(sealed, Some(id.to_string().into_bytes()), "a private key is lost");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_rotations_and_revocations_of_one_signing_key_that_race_one_key_signs_and_none_is_lost() {
    each_database(async |fixture| {
        let (nodes, now) = (Nodes::open(&fixture).await, fixture.clock.now());
        let slot = |algorithm| KeyPurpose::ALL.map(|purpose| Slot { purpose, algorithm });
        let slots: Vec<_> = ALGORITHMS.into_iter().flat_map(slot).collect();
        for (seed, slot) in (0..).step_by(100).zip(&slots) {
            let begin = async |number| {
                let act = Begin { slot: *slot, fresh: fresh(*slot, seed + number) };
                performed(seed, &fixture, nodes.of(number), &System, &act).await.unwrap()
            };
            let begun = join_all((0..AT_ONCE).map(begin)).await;
            assert_eq!(begun.iter().filter(|one| one.is_ok()).count(), 1, "{slot}");
        }
        for (round, slot) in (0..ROUNDS).zip(slots.iter().cycle()) {
            let before = Before::read(&nodes.first, *slot, now).await;
            let seeds = (10_000 + 100 * round..).take(64);
            let racing = seeds.map(|seed| race(&fixture, nodes.of(seed / 4), &before, seed));
            let ended = join_all(racing).await;
            assert!(ended.iter().any(|one| matches!(one, Ended::Made(_) | Ended::Revoked)), "round {round}");
            left_whole(&nodes, &before, &ended, now).await;
        }
        let chains = nodes.first.verify_audit().await.unwrap();
        assert!(chains.iter().all(|chain| chain.broken_at.is_none()), "{chains:?}");
        nodes.close().await;
    })
    .await;
}
