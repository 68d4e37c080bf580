//! What only one kind of credential knows of itself, carried through what is common to all.
//!
//! **Invariant.** There is no blanket implementation: an `Arc<dyn Own>` is no [`Own`] itself, so that a downcast never
//! looks into the `Arc` instead of through it.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// A kind's own evidence of a principal. Written with the macro `own!` by the rooms.
pub trait Own: Any + fmt::Debug + Send + Sync {
    /// Tells whether `other` is of the same type and says the same.
    fn same(&self, other: &dyn Own) -> bool;
}

impl dyn Own {
    /// Returns the evidence, if it is a `T`.
    #[must_use]
    pub fn get<T: Own>(&self) -> Option<&T> {
        let own: &dyn Any = self;
        own.downcast_ref()
    }
}

/// Makes a type evidence; it is `Eq`.
macro_rules! own {
    ($type:ty) => {
        impl $crate::own::Own for $type {
            fn same(&self, other: &dyn $crate::own::Own) -> bool {
                other.get::<Self>() == Some(self)
            }
        }
    };
}
pub(crate) use own;

/// Evidence that many credentials share: equal if it says the same.
#[derive(Debug, Clone)]
pub struct Evidence(pub Arc<dyn Own>);

impl PartialEq for Evidence {
    fn eq(&self, other: &Self) -> bool {
        self.0.same(&*other.0)
    }
}

impl Eq for Evidence {}

/// The evidence of who has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nothing;
own!(Nothing);

/// [`Nothing`], once.
pub(crate) static NOTHING: LazyLock<Arc<Evidence>> = LazyLock::new(|| Arc::new(Evidence(Arc::new(Nothing))));
