//! What races run on: two nodes where there can be two.

use countersign_store::Store;
use countersign_testkit::{Fixture, Records};

use crate::raw::{commit, done, insert_owner};

/// How many race.
pub(crate) const AT_ONCE: u64 = 64;
/// How often.
pub(crate) const ROUNDS: u64 = 50;

/// One or two nodes, and the first organisation.
pub(crate) struct Nodes {
    pub(crate) first: Store,
    second: Option<Store>,
}

impl Nodes {
    pub(crate) async fn open(fixture: &Fixture) -> Self {
        let first = fixture.open("a").await;
        done(commit(&first, vec![insert_owner(&Records::new(1).organisation())]).await);
        let second = if fixture.is_shared() { Some(fixture.open("b").await) } else { None };
        Self { first, second }
    }

    /// Returns the node at which the racer of that number runs.
    pub(crate) fn of(&self, number: u64) -> &Store {
        self.second.as_ref().filter(|_| number % 2 == 1).unwrap_or(&self.first)
    }

    pub(crate) async fn close(self) {
        self.first.close().await;
        if let Some(second) = self.second {
            second.close().await;
        }
    }
}
