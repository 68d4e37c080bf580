//! What handlers give back: JSON, or nothing.

use serde::Serialize;

use crate::app::Failure;

/// What a handler gives back.
#[derive(Debug)]
pub(crate) enum Reply {
    /// What was asked for.
    Ok(Vec<u8>),
    /// What was made.
    Created(Vec<u8>),
    /// Done, and there is nothing to say.
    Nothing,
}

impl Reply {
    pub(crate) fn ok(value: &impl Serialize) -> Result<Self, Failure> {
        json(value).map(Self::Ok)
    }

    pub(crate) fn created(value: &impl Serialize) -> Result<Self, Failure> {
        json(value).map(Self::Created)
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value)
        .map_err(|error| Failure::Invalid(format!("the answer cannot be written: {error}")))
}
