//! What only one kind of credential knows of itself, carried through what is common to all.
//!
//! **Invariant.** There is no blanket implementation: an `Arc<dyn Own>` is no [`Own`] itself, so that a downcast never
//! looks into the `Arc` instead of through it.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// A kind's own evidence of a principal. Implemented by the rooms, each for its own type.
pub trait Own: Any + fmt::Debug + Send + Sync {}

impl dyn Own {
    /// Returns the evidence, if it is a `T`.
    #[must_use]
    pub fn get<T: Own>(&self) -> Option<&T> {
        let own: &dyn Any = self;
        own.downcast_ref()
    }
}

/// Evidence that many credentials share.
#[derive(Debug, Clone)]
pub struct Evidence(pub Arc<dyn Own>);

/// The evidence of who has none.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl Own for Nothing {}

/// [`Nothing`], once.
pub(crate) static NOTHING: LazyLock<Arc<Evidence>> = LazyLock::new(|| Arc::new(Evidence(Arc::new(Nothing))));
