//! Due work: owners are warned, through the audit, before their keys end.

use std::time::Duration;

use countersign_core::api_key;
use countersign_core::api_key::WarnOfExpiry;
use countersign_core::exchange::System;
use countersign_core::ledger::Unavailable;
use countersign_core::reach::Reach;
use countersign_core::record::CredentialRecord;
use countersign_store::{CredentialFilter, PageRequest, StateFilter};

use crate::app::App;

/// Keys that are looked at in one page.
const PAGE: usize = 500;

impl App {
    /// Warns of every key that ends within `before` and was not warned of; returns how many there were.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]; what is left is warned of at the next call.
    pub async fn warn_of_expiry(&self, before: Duration) -> Result<usize, Unavailable> {
        let filter = CredentialFilter { kind: &api_key::KIND, owner: None, state: Some(StateFilter::Live) };
        let mut request = PageRequest { limit: PAGE, cursor: None };
        let mut warned = 0;
        loop {
            let page = self.store.credentials(Reach::Installation, &filter, &request, self.now()).await?;
            let end = self.now().plus(before);
            for record in page.rows.into_iter().filter(|record| record.expires_at.is_some_and(|at| at <= end))
            {
                warned += usize::from(self.warn_of(record, before).await?);
            }
            let Some(next) = page.next else {
                return Ok(warned);
            };
            request.cursor = Some(next);
        }
    }

    async fn warn_of(&self, record: CredentialRecord, before: Duration) -> Result<bool, Unavailable> {
        let warned = self.attempt(&System, &WarnOfExpiry { record, before }).await?;
        Ok(warned.is_ok())
    }
}
