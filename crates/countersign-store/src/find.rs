//! The answers to what acts ask.

use std::collections::HashMap;

use countersign_core::delegation::RENEWED_BY;
use countersign_core::device::{self, DeviceDecision, FoundDevice};
use countersign_core::ledger::{Find, Question, Unavailable};
use countersign_core::question::{
    ArtifactKey, ArtifactOf, ClientAndSecrets, ConsentOf, ConsentTo, Creation, Enrolment, FamilyOf, FirstUse,
    FoundCreation, FoundEnrolment, FoundFamily, FoundFirstUse, FoundIdentities, FoundIdentity,
    FoundInstallation, FoundLink, FoundMembership, FoundOwner, FoundPerson, FoundProven, FoundRegistered,
    FoundRegistration, FoundResource, FoundRotation, FoundUse, Holder, HolderOf, IdentitiesOf, IdentityOf,
    IncarnationOf, Installation, KeysOf, LinkOf, MadeBy, MarkOf, MembershipOf, OwnerAndKeys, PersonNamed,
    PersonOf, ProvenPerson, RecordOf, Registration, ResourceOf, Rotation, TokensOf, UseOf,
};
use countersign_core::record::{ArtifactRecord, ConsentRecord, CredentialRecord, MarkRecord, TakenOver};
use countersign_core::secret::SecretHash;
use countersign_core::signing_key::SigningKeyRecord;
use countersign_core::token_cap::KeptTokens;
use countersign_core::token_ending::Nothing;

use crate::store::Store;
use crate::{
    artifact, artifact_count, consent, creation, credential, identity, incarnation, mark, membership, owner,
    person, resource, signing_key, taken_over,
};

impl Find<RecordOf> for Store {
    async fn find(&self, RecordOf(id): RecordOf) -> Result<Option<CredentialRecord>, Unavailable> {
        credential::find(&self.database, id).await
    }

    async fn find_each(
        &self,
        questions: Vec<RecordOf>,
    ) -> Result<Vec<Option<CredentialRecord>>, Unavailable> {
        let ids: Vec<_> = questions.iter().map(|RecordOf(id)| *id).collect();
        let found = credential::find_many(&self.database, &ids).await?;
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }
}

impl Find<KeysOf> for Store {
    async fn find(&self, KeysOf(slot): KeysOf) -> Result<Vec<SigningKeyRecord>, Unavailable> {
        signing_key::of_slot(&self.database, slot).await
    }
}

impl Find<ArtifactOf> for Store {
    async fn find(&self, question: ArtifactOf) -> Result<Option<ArtifactRecord>, Unavailable> {
        artifact::find(&self.database, &question).await
    }
}

impl Find<FamilyOf> for Store {
    async fn find(&self, FamilyOf(family): FamilyOf) -> Result<Option<FoundFamily>, Unavailable> {
        for kind in RENEWED_BY {
            let record = self.find(ArtifactOf { kind, by: ArtifactKey::Family(family) }).await?;
            let Some(record) = record else { continue };
            let person = match record.subject {
                Some(subject) => self.find(PersonOf(subject)).await?,
                None => None,
            };
            return Ok(Some(FoundFamily { record, person }));
        }
        Ok(None)
    }
}

impl Find<ConsentTo> for Store {
    async fn find(&self, question: ConsentTo) -> Result<Option<ConsentRecord>, Unavailable> {
        consent::find_pair(&self.database, question).await
    }
}

impl Find<ConsentOf> for Store {
    async fn find(&self, ConsentOf(id): ConsentOf) -> Result<Option<ConsentRecord>, Unavailable> {
        consent::find(&self.database, id).await
    }
}

impl Find<DeviceDecision> for Store {
    async fn find(&self, question: DeviceDecision) -> Result<FoundDevice, Unavailable> {
        let DeviceDecision { family, client, subject } = question;
        let by = ArtifactKey::Family(family);
        let record = artifact::find(&self.database, &ArtifactOf { kind: device::KIND, by }).await?;
        let consent = consent::find_pair(&self.database, ConsentTo { client, subject }).await?;
        Ok(FoundDevice { record, consent })
    }
}

impl Find<IncarnationOf> for Store {
    async fn find(&self, _: IncarnationOf) -> Result<i64, Unavailable> {
        incarnation::find(&self.database).await
    }
}

impl Find<TokensOf> for Store {
    async fn find(&self, question: TokensOf) -> Result<KeptTokens, Unavailable> {
        artifact_count::find(&self.database, &question, self.clock.now()).await
    }
}

impl Find<Nothing> for Store {
    async fn find(&self, _: Nothing) -> Result<(), Unavailable> {
        Ok(())
    }
}

impl Find<MarkOf> for Store {
    async fn find(&self, MarkOf(lookup): MarkOf) -> Result<Option<MarkRecord>, Unavailable> {
        mark::find(&self.database, lookup, self.clock.now()).await
    }
}

impl Find<ResourceOf> for Store {
    async fn find(&self, ResourceOf(id): ResourceOf) -> Result<FoundResource, Unavailable> {
        let record = resource::find(&self.database, &id).await?;
        Ok(FoundResource { record, is_declared: self.snapshot().resources().is_declared(id.as_str()) })
    }
}

impl Find<UseOf> for Store {
    async fn find(&self, UseOf(id): UseOf) -> Result<FoundUse, Unavailable> {
        let record = resource::find(&self.database, &id).await?;
        let is_of_settings = self.snapshot().resources().is_of_settings(id.as_str());
        // What other nodes have registered counts: it is read before it is looked at.
        self.catch_up.catch_up().await?;
        Ok(FoundUse { record, is_of_settings, clients: self.snapshot().registered_for(&id) })
    }
}

impl<A: Question, B: Question> Find<(A, B)> for Store
where
    Self: Find<A> + Find<B>,
{
    async fn find(&self, (one, other): (A, B)) -> Result<(A::Answer, B::Answer), Unavailable> {
        Ok((self.find(one).await?, self.find(other).await?))
    }
}

impl Find<MadeBy> for Store {
    async fn find(&self, made: MadeBy) -> Result<u64, Unavailable> {
        match made {
            MadeBy::Credentials { owner: Some(owner), kind } => {
                credential::count_of_owner(&self.database, owner, kind).await
            }
            MadeBy::Clients(Some(person)) => owner::count_registered_by(&self.database, person).await,
            MadeBy::Credentials { owner: None, .. } | MadeBy::Clients(None) => Ok(0),
        }
    }
}

impl Find<HolderOf> for Store {
    async fn find(&self, HolderOf(owner): HolderOf) -> Result<Option<Holder>, Unavailable> {
        creation::find_holder(&self.database, owner).await
    }
}

impl Find<Creation> for Store {
    async fn find(&self, question: Creation) -> Result<FoundCreation, Unavailable> {
        let taken = taken_over::find(&self.database, &question.digests).await?;
        let found = creation::find(&self.database, &question, self.clock.now()).await?;
        Ok(FoundCreation { taken, ..found })
    }

    /// Creations of one owner without a mark find the same, but for what is remembered of each hash.
    async fn find_each(&self, questions: Vec<Creation>) -> Result<Vec<FoundCreation>, Unavailable> {
        let digests: Vec<_> = questions.iter().flat_map(|question| &question.digests).copied().collect();
        let mut taken: HashMap<SecretHash, Vec<TakenOver>> = HashMap::new();
        for one in taken_over::find(&self.database, &digests).await? {
            taken.entry(one.digest).or_default().push(one);
        }
        let (mut holders, mut answers) = (HashMap::new(), Vec::with_capacity(questions.len()));
        for question in questions {
            let known = holders.get(&question.owner).filter(|_| question.mark.is_none());
            let found: FoundCreation = match known {
                Some(found) => Clone::clone(found),
                None => creation::find(&self.database, &question, self.clock.now()).await?,
            };
            if question.mark.is_none() {
                holders.entry(question.owner).or_insert_with(|| found.clone());
            }
            let taken = question.digests.iter().filter_map(|digest| taken.get(digest)).flatten().cloned();
            answers.push(FoundCreation { taken: taken.collect(), ..found });
        }
        Ok(answers)
    }
}

impl Find<Registration> for Store {
    async fn find(&self, question: Registration) -> Result<FoundRegistration, Unavailable> {
        let holder = creation::find_holder(&self.database, question.organisation).await?;
        let earlier = match question.mark {
            Some(lookup) => mark::find(&self.database, lookup, self.clock.now()).await?,
            None => None,
        };
        let made = match earlier.as_ref().and_then(|mark| mark.made.split(' ').next()?.parse().ok()) {
            Some(client) => owner::find(&self.database, client).await?,
            None => None,
        };
        Ok(FoundRegistration { holder, earlier, made, resources: self.snapshot().resources().offered() })
    }
}

impl Find<ClientAndSecrets> for Store {
    async fn find(&self, question: ClientAndSecrets) -> Result<Option<FoundRegistered>, Unavailable> {
        // In this order: who advances the client that was found here has seen all of its secrets.
        let Some(holder) = creation::find_holder(&self.database, Some(question.client)).await? else {
            return Ok(None);
        };
        let secrets = credential::of_owner(&self.database, question.client, question.kind).await?;
        Ok(Some(FoundRegistered { holder, secrets, resources: self.snapshot().resources().offered() }))
    }
}

impl Find<Rotation> for Store {
    async fn find(&self, Rotation(id): Rotation) -> Result<Option<FoundRotation>, Unavailable> {
        creation::find_for_rotation(&self.database, id).await
    }
}

impl Find<OwnerAndKeys> for Store {
    async fn find(&self, OwnerAndKeys(id): OwnerAndKeys) -> Result<Option<FoundOwner>, Unavailable> {
        let Some(owner) = owner::find(&self.database, id).await? else {
            return Ok(None);
        };
        let management_keys = credential::management_keys(&self.database, id).await?;
        Ok(Some(FoundOwner { owner, management_keys }))
    }
}

impl Find<Installation> for Store {
    async fn find(&self, _: Installation) -> Result<Option<FoundInstallation>, Unavailable> {
        // In this order: who advances the organisation that was found here has seen all of its keys.
        let Some(holder) = creation::find_holder(&self.database, None).await? else {
            return Ok(None);
        };
        let management_keys = credential::management_keys(&self.database, holder.owner.id).await?;
        Ok(Some(FoundInstallation { holder, management_keys }))
    }
}

impl Find<FirstUse> for Store {
    async fn find(&self, question: FirstUse) -> Result<FoundFirstUse, Unavailable> {
        // In this order: what is remembered of this very key is then seen in its record too.
        let taken = taken_over::find(&self.database, &question.own).await?;
        let record = credential::find(&self.database, question.credential).await?;
        Ok(FoundFirstUse { taken, record })
    }
}

impl Find<PersonOf> for Store {
    async fn find(&self, PersonOf(id): PersonOf) -> Result<Option<FoundPerson>, Unavailable> {
        person::find(&self.database, id).await
    }
}

impl Find<PersonNamed> for Store {
    async fn find(&self, PersonNamed(typed): PersonNamed) -> Result<Option<FoundPerson>, Unavailable> {
        person::find_named(&self.database, &typed).await
    }
}

impl Find<Enrolment> for Store {
    async fn find(&self, question: Enrolment) -> Result<FoundEnrolment, Unavailable> {
        let holder = creation::find_holder(&self.database, question.organisation).await?;
        Ok(FoundEnrolment { holder, is_taken: person::is_taken(&self.database, &question.username).await? })
    }
}

impl Find<MembershipOf> for Store {
    async fn find(&self, question: MembershipOf) -> Result<FoundMembership, Unavailable> {
        membership::find(&self.database, question).await
    }
}

impl Find<LinkOf> for Store {
    async fn find(&self, LinkOf(asked): LinkOf) -> Result<Option<FoundLink>, Unavailable> {
        // In this order: who advances the person that was found here has seen the link.
        let Some(record) = self.find(asked).await? else { return Ok(None) };
        let person = match record.subject {
            Some(person) => person::find(&self.database, person).await?,
            None => None,
        };
        Ok(Some(FoundLink { record, person }))
    }
}

impl Find<ProvenPerson> for Store {
    async fn find(&self, question: ProvenPerson) -> Result<FoundProven, Unavailable> {
        let holder = match &question.identity {
            Some(name) => identity::holder(&self.database, name).await?,
            None => None,
        };
        Ok(FoundProven { person: person::find(&self.database, question.person).await?, holder })
    }
}

impl Find<IdentityOf> for Store {
    async fn find(&self, question: IdentityOf) -> Result<FoundIdentity, Unavailable> {
        if let Some(holder) = identity::holder(&self.database, &question.identity).await? {
            return Ok(FoundIdentity { holder: Some(holder), ..FoundIdentity::default() });
        }
        let by_email = match &question.email {
            Some(email) => person::find_by_email(&self.database, email).await?,
            None => Vec::new(),
        };
        let holder = creation::find_holder(&self.database, None).await?;
        let is_taken = match &question.username {
            Some(username) => person::is_taken(&self.database, username).await?,
            None => false,
        };
        Ok(FoundIdentity { holder: None, by_email, enrolment: FoundEnrolment { holder, is_taken } })
    }
}

impl Find<IdentitiesOf> for Store {
    async fn find(&self, question: IdentitiesOf) -> Result<FoundIdentities, Unavailable> {
        // In this order: who advances the person that was found here has seen every identity of theirs.
        let person = person::find(&self.database, question.person).await?;
        let theirs = identity::of_person(&self.database, question.person).await?;
        let holder = identity::holder(&self.database, &question.identity).await?;
        Ok(FoundIdentities { person, theirs, holder })
    }
}
