//! Owners and credentials of tests, all drawn from one seed.

use std::sync::Arc;

use countersign_core::api_key;
use countersign_core::context::SeededEntropy;
use countersign_core::environment::Environment;
use countersign_core::id::{CredentialId, OwnerId, OwnerKind};
use countersign_core::key_string::KeyString;
use countersign_core::kind::Kind;
use countersign_core::record::{CredentialRecord, MarkRecord, OwnerRecord, Terms};
use countersign_core::secret::{Pepper, Peppers, Purpose, Secret};
use countersign_core::timestamp::Timestamp;

/// Makes records.
#[derive(Debug)]
pub struct Records {
    entropy: SeededEntropy,
    peppers: Arc<Peppers>,
    made_at: i64,
}

impl Records {
    /// Starts the sequence named by `seed`. All sequences share their peppers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let peppers = Arc::new(Peppers::new(Pepper::new(1, &Secret::new([7; 32])), Vec::new()));
        Self { entropy: SeededEntropy::new(seed), peppers, made_at: 1_800_000_000_000 }
    }

    /// Returns the peppers under which the records' keys are hashed.
    #[must_use]
    pub fn peppers(&self) -> Arc<Peppers> {
        Arc::clone(&self.peppers)
    }

    /// Makes an organisation.
    pub fn organisation(&mut self) -> OwnerRecord {
        let id = OwnerId::random(OwnerKind::Organisation, &mut self.entropy);
        self.owner(id, id)
    }

    /// Makes a client of an organisation.
    pub fn client(&mut self, organisation: &OwnerRecord) -> OwnerRecord {
        let id = OwnerId::random(OwnerKind::Client, &mut self.entropy);
        self.owner(id, organisation.id)
    }

    /// Makes a user of an organisation.
    pub fn user(&mut self, organisation: &OwnerRecord) -> OwnerRecord {
        let id = OwnerId::random(OwnerKind::User, &mut self.entropy);
        self.owner(id, organisation.id)
    }

    fn owner(&mut self, id: OwnerId, organisation: OwnerId) -> OwnerRecord {
        OwnerRecord::new(id, organisation, "acme".to_owned(), self.tick())
    }

    /// Makes an API key of an owner.
    pub fn key(&mut self, owner: &OwnerRecord) -> (CredentialRecord, KeyString) {
        self.credential(owner, &api_key::KIND)
    }

    /// Makes a credential of an owner.
    pub fn credential(&mut self, owner: &OwnerRecord, kind: &Kind) -> (CredentialRecord, KeyString) {
        let prefix = (kind.default_prefix)(Environment::Live).parse().unwrap();
        let key = KeyString::mint(&prefix, &mut self.entropy);
        let record = CredentialRecord {
            id: CredentialId::random(kind.id_prefix, &mut self.entropy),
            lookup: key.hash(self.peppers.current()),
            pepper: 1,
            organisation: owner.organisation,
            owner: owner.id,
            version: 1,
            created_at: self.tick(),
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            last_used_at: None,
            terms: Terms {
                hint: key.hint(),
                ..Terms::new("ci".to_owned(), prefix, Environment::Live, "orders:read".parse().unwrap())
            },
        };
        (record, key)
    }

    /// Makes a mark of `value` that ends at `until`.
    #[must_use]
    pub fn mark(&self, value: &str, made: &str, until: Timestamp) -> MarkRecord {
        let lookup = self.peppers.current().hash(Purpose::IdempotencyKey, value);
        MarkRecord { lookup, made: made.to_owned(), until }
    }

    fn tick(&mut self) -> Timestamp {
        self.made_at += 1;
        Timestamp::from_millis(self.made_at)
    }
}
