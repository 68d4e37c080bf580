//! A credential on its way in: recognised, found, verified.

use std::fmt;

use bytes::Bytes;

use crate::carried::{Carried, DeclaredSets, Way};
use crate::context::Context;
use crate::effect::{Outcome, Use};
use crate::kind::Kind;
use crate::ledger::{Answer, Found, Lookup, Unavailable};
use crate::principal::Principal;
use crate::rejection::Rejection;

/// How much of a body has to be read before a credential can be verified, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BodyLimit(pub usize);

/// What a room writes: a credential as received, its one question, and what the answer makes of it.
///
/// Verifying takes `&self`: a mark that was lost is verified again. What makes something count once is the commit.
pub trait Verify: Send + Sync {
    /// The answer to its question.
    type Answer: Answer;

    /// Names the one question that it asks.
    fn lookup(&self) -> Lookup<'_>;

    /// Returns how much of the body it needs; `None`: nothing.
    fn body(&self) -> Option<BodyLimit> {
        None
    }

    /// Decides whether it proves a principal.
    fn verify(
        &self,
        context: &mut Context<'_>,
        found: Self::Answer,
        body: Option<&Bytes>,
    ) -> Outcome<Principal, Rejection, Use>;
}

/// A credential as received: parsed, not believed. Implemented once, for every [`Verify`].
pub trait Presented: Send + Sync {
    /// Names the one question that it asks.
    fn lookup(&self) -> Lookup<'_>;

    /// Returns how much of the body it needs; `None`: nothing.
    fn body(&self) -> Option<BodyLimit>;

    /// Decides whether it proves a principal.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Misanswered`] if `found` answers another question.
    fn verify(
        &self,
        context: &mut Context<'_>,
        found: Found,
        body: Option<&Bytes>,
    ) -> Result<Outcome<Principal, Rejection, Use>, Unavailable>;
}

impl<V: Verify> Presented for V {
    fn lookup(&self) -> Lookup<'_> {
        Verify::lookup(self)
    }

    fn body(&self) -> Option<BodyLimit> {
        Verify::body(self)
    }

    fn verify(
        &self,
        context: &mut Context<'_>,
        found: Found,
        body: Option<&Bytes>,
    ) -> Result<Outcome<Principal, Rejection, Use>, Unavailable> {
        Ok(Verify::verify(self, context, V::Answer::of(found)?, body))
    }
}

/// What a row makes of a carried value; `None`: it is of another kind.
pub type Recognition<'a> = Option<Result<Box<dyn Presented + 'a>, Rejection>>;

/// A row of a register of authenticators.
pub struct Row {
    /// What it recognises. Two rows may be of one kind: keys that were minted here, and imported ones.
    pub kind: &'static Kind,
    /// How its credentials are carried; it is asked about nothing else.
    pub ways: &'static [Way],
    /// Recognises a carried value.
    pub recognise: for<'a> fn(Carried<'a>, &dyn DeclaredSets) -> Recognition<'a>,
}

impl Row {
    /// Recognises a carried value, if it is carried as this row's credentials are.
    pub(crate) fn recognise<'a>(&self, carried: Carried<'a>, sets: &dyn DeclaredSets) -> Recognition<'a> {
        self.ways.contains(&carried.way()).then(|| (self.recognise)(carried, sets)).flatten()
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Row({})", self.kind.name())
    }
}
