//! What is handed out to clients, and what people allow them, as the store in memory finds it.

use super::{Memory, Tables};
use crate::delegation::RENEWED_BY;
use crate::device::{self, DeviceDecision, FoundDevice};
use crate::ledger::{Find, FoundHandedOut, HandedOutBy, Unavailable};
use crate::question::{ArtifactKey, ArtifactOf, ConsentOf, ConsentTo, FamilyOf, FoundFamily};
use crate::record::{ArtifactRecord, ConsentRecord};

impl Tables {
    fn artifact(&self, ArtifactOf { kind, by }: &ArtifactOf) -> Option<ArtifactRecord> {
        let found = |one: &&ArtifactRecord| match by {
            ArtifactKey::Text(hashes) => hashes.contains(&one.lookup),
            ArtifactKey::SecondText(hashes) => one.second_lookup.is_some_and(|hash| hashes.contains(&hash)),
            ArtifactKey::Family(family) => one.family == *family,
        };
        self.artifacts.iter().filter(|one| one.kind == *kind).find(found).cloned()
    }
}

impl Memory {
    pub(super) fn handed_out(&self, kind: &'static str, by: HandedOutBy<'_>) -> FoundHandedOut {
        let by = match by {
            HandedOutBy::Text(text) => ArtifactKey::text(&self.peppers, text),
            HandedOutBy::Family(family) => ArtifactKey::Family(family),
        };
        let record = self.tables().artifact(&ArtifactOf { kind, by });
        let subject = record.as_ref().and_then(|record| record.subject);
        let person = subject.and_then(|subject| self.tables().person(subject)).map(Box::new);
        FoundHandedOut {
            person,
            subject: subject.and_then(|subject| self.snapshot().owner(subject)),
            record: record.map(Box::new),
        }
    }
}

impl Find<ArtifactOf> for Memory {
    async fn find(&self, question: ArtifactOf) -> Result<Option<ArtifactRecord>, Unavailable> {
        self.answer(|tables| tables.artifact(&question))
    }
}

impl Find<FamilyOf> for Memory {
    async fn find(&self, FamilyOf(family): FamilyOf) -> Result<Option<FoundFamily>, Unavailable> {
        let asked = |kind| ArtifactOf { kind, by: ArtifactKey::Family(family) };
        self.answer(|tables| {
            let record = RENEWED_BY.iter().find_map(|kind| tables.artifact(&asked(kind)))?;
            let person = record.subject.and_then(|subject| tables.person(subject));
            Some(FoundFamily { record, person })
        })
    }
}

impl Find<ConsentTo> for Memory {
    async fn find(
        &self,
        ConsentTo { client, subject }: ConsentTo,
    ) -> Result<Option<ConsentRecord>, Unavailable> {
        let of_pair = |one: &&ConsentRecord| one.client == client && one.subject == subject;
        self.answer(|tables| tables.consents.values().find(of_pair).cloned())
    }
}

impl Find<DeviceDecision> for Memory {
    async fn find(&self, question: DeviceDecision) -> Result<FoundDevice, Unavailable> {
        let DeviceDecision { family, client, subject } = question;
        let consent = self.find(ConsentTo { client, subject }).await?;
        let asked = ArtifactOf { kind: device::KIND, by: ArtifactKey::Family(family) };
        self.answer(|tables| FoundDevice { record: tables.artifact(&asked), consent })
    }
}

impl Find<ConsentOf> for Memory {
    async fn find(&self, ConsentOf(id): ConsentOf) -> Result<Option<ConsentRecord>, Unavailable> {
        self.answer(|tables| tables.consents.get(&id).cloned())
    }
}
