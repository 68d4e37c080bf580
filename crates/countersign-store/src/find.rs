//! The answers to what acts ask.

use countersign_core::ledger::{Find, Unavailable};
use countersign_core::question::{
    Creation, FirstUse, FoundCreation, FoundFirstUse, FoundInstallation, FoundOwner, FoundRotation, Holder,
    HolderOf, Installation, MarkOf, OwnerAndKeys, RecordOf, Rotation,
};
use countersign_core::record::{CredentialRecord, MarkRecord};

use crate::store::Store;
use crate::{creation, credential, mark, owner, taken_over};

impl Find<RecordOf> for Store {
    async fn find(&self, RecordOf(id): RecordOf) -> Result<Option<CredentialRecord>, Unavailable> {
        credential::find(&self.database, id).await
    }
}

impl Find<MarkOf> for Store {
    async fn find(&self, MarkOf(lookup): MarkOf) -> Result<Option<MarkRecord>, Unavailable> {
        mark::find(&self.database, lookup, self.clock.now()).await
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
