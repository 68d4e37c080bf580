//! A credential on its way in: recognised, found, verified.

use std::fmt;

use bytes::Bytes;

use crate::audit::AuditEvent;
use crate::carried::{Carried, DeclaredSets, Way};
use crate::context::Context;
use crate::effect::Use;
use crate::kind::Kind;
use crate::ledger::{Answer, Found, Lookup, Unavailable};
use crate::principal::Principal;
use crate::rejection::Rejection;

/// How much of a body has to be read before a credential can be verified, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BodyLimit(pub usize);

/// What a verification has proven, and what that leaves behind. It has no line: the one of the decision is about it.
#[derive(Debug)]
pub struct Proven {
    /// Who it is.
    pub principal: Principal,
    /// What is to be settled before it counts.
    pub uses: Vec<Use>,
}

/// Why nothing was proven.
#[derive(Debug)]
pub struct Unproven {
    /// The reason.
    pub rejection: Rejection,
    /// What the rejection itself wants settled, such as the count of an attempt.
    pub uses: Vec<Use>,
    /// The audit line. Boxed: it is large and rare.
    pub audit: Box<AuditEvent>,
}

/// What a verification makes of a credential. It is given nothing durable to want.
pub type Verified = Result<Proven, Unproven>;

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
    ///
    /// # Errors
    ///
    /// [`Unproven`] with the rejection, what that wants settled, and its line.
    fn verify(&self, context: &mut Context<'_>, found: Self::Answer, body: Option<&Bytes>) -> Verified;
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
    ) -> Result<Verified, Unavailable>;
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
    ) -> Result<Verified, Unavailable> {
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
