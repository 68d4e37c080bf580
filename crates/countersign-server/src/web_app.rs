//! Web apps as clients: registered as the routes in force ask for them.

use countersign_core::client::{AmendWebApp, RegisterWebApp, WebAppTerms};
use countersign_core::exchange::System;
use countersign_core::ledger::{Find as _, Unavailable};
use countersign_core::refusal::Refusal;
use thiserror::Error;

use crate::app::App;

/// Why a web app is not registered.
#[derive(Debug, Error)]
pub enum NotRegistered {
    /// It may not be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Registers a web app, or brings what is registered up to what its routes ask for.
///
/// # Errors
///
/// [`NotRegistered`].
pub async fn register(app: &App, terms: WebAppTerms) -> Result<(), NotRegistered> {
    match app.store.find(terms.question()).await? {
        Some(holder) if terms.are_those_of(&holder.owner) => Ok(()),
        Some(_) => Ok(app.attempt(&System, &AmendWebApp(terms)).await??),
        None => match app.attempt(&System, &RegisterWebApp(terms.clone())).await {
            // Another node was first.
            Err(_) if app.store.find(terms.question()).await?.is_some() => Ok(()),
            answer => Ok(answer??),
        },
    }
}
