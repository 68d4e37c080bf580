//! Identities elsewhere, as the store in memory finds them.

use super::{Memory, Tables};
use crate::id::OwnerId;
use crate::ledger::{Find, Unavailable};
use crate::question::{
    Enrolment, FoundIdentities, FoundIdentity, FoundProven, IdentitiesOf, IdentityOf, ProvenPerson,
};
use crate::record::IdentityName;

impl Tables {
    fn holder_of(&self, identity: &IdentityName) -> Option<OwnerId> {
        self.identities.get(identity).map(|one| one.person)
    }
}

impl Find<ProvenPerson> for Memory {
    async fn find(
        &self,
        ProvenPerson { person, identity }: ProvenPerson,
    ) -> Result<FoundProven, Unavailable> {
        self.answer(|tables| FoundProven {
            person: tables.person(person),
            holder: identity.and_then(|identity| tables.holder_of(&identity)),
        })
    }
}

impl Find<IdentityOf> for Memory {
    async fn find(&self, asked: IdentityOf) -> Result<FoundIdentity, Unavailable> {
        let username = asked.username.unwrap_or_else(|| "nobody".parse().unwrap());
        let enrolment = self.find(Enrolment { organisation: None, username }).await?;
        self.answer(|tables| {
            let proven = tables.persons.values().filter(|one| one.email_verified_at.is_some());
            let same = |text: &str| {
                asked.email.as_ref().is_some_and(|email| email.as_str().eq_ignore_ascii_case(text))
            };
            let by_email = proven.filter(|one| one.email.as_ref().is_some_and(|email| same(email.as_str())));
            FoundIdentity {
                holder: tables.holder_of(&asked.identity),
                by_email: by_email.take(2).filter_map(|one| tables.person(one.id)).collect(),
                enrolment,
            }
        })
    }
}

impl Find<IdentitiesOf> for Memory {
    async fn find(&self, asked: IdentitiesOf) -> Result<FoundIdentities, Unavailable> {
        self.answer(|tables| {
            let theirs = tables.identities.values().filter(|one| one.person == asked.person);
            FoundIdentities {
                person: tables.person(asked.person),
                theirs: theirs.cloned().collect(),
                holder: tables.holder_of(&asked.identity),
            }
        })
    }
}
