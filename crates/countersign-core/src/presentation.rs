//! The selection of what a request presents.
//!
//! **Invariant.** Among `Authorization` and the fields for keys a request presents at most one credential: two are
//! refused, never ranked (RFC 6750 §2). What the platform sends along (a certificate, a cookie, a signature) counts only
//! where the requirement lists its kind. What is presented and fails ends the request.

use std::fmt;

use crate::carried::{Carried, DeclaredSets, RequestHead};
use crate::credential::{BodyLimit, Presented, Row};
use crate::decision::{Condition, Requirement};
use crate::few::Few;
use crate::kind::Kind;
use crate::rejection::Rejection;
use crate::scheme::Scheme;

/// Walks the kinds that `register` recognises, each once.
pub fn kinds_of(register: &'static [Row]) -> impl Iterator<Item = &'static Kind> {
    let rows = register.iter().enumerate();
    let first = rows
        .filter(|(position, row)| register.iter().take(*position).all(|earlier| earlier.kind != row.kind));
    first.map(|(_, row)| row.kind)
}

/// Tells whether `register` has a row for credentials of `scheme`.
#[must_use]
pub fn recognises(register: &[Row], scheme: Scheme) -> bool {
    register.iter().any(|row| row.kind.scheme == scheme)
}

/// A credential that one row has recognised.
pub struct Member<'a> {
    scheme: Scheme,
    presented: Box<dyn Presented + 'a>,
}

impl Member<'_> {
    /// Returns the scheme of the row that has recognised it.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the credential, not yet believed.
    #[must_use]
    pub fn presented(&self) -> &dyn Presented {
        &*self.presented
    }
}

impl fmt::Debug for Member<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Member").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// What a request presents to a requirement: for `all` one credential for each condition, in their order.
#[derive(Debug, Default)]
pub struct Presentation<'a> {
    members: Option<Few<Member<'a>>>,
}

impl<'a> Presentation<'a> {
    /// Walks what is presented.
    pub fn members(&self) -> impl Iterator<Item = &Member<'a>> {
        self.members.iter().flat_map(Few::iter)
    }

    /// Returns how much of the body has to be read before it can be verified; `None`: nothing.
    #[must_use]
    pub fn body(&self) -> Option<BodyLimit> {
        self.members().filter_map(|member| member.presented.body()).max()
    }

    fn of(member: Option<Member<'a>>) -> Self {
        Self { members: member.map(Few::one) }
    }
}

/// Finds what `requirement` is to be judged by. Pure: bodies and records come later.
///
/// # Errors
///
/// [`Rejection::AMBIGUOUS`] for more than one, [`Rejection::UNRECOGNISED`] for a value that no row knows,
/// [`Rejection::NOT_ACCEPTED`] for a kind that the requirement does not list (SAFETY 6), or the row's own reason.
pub fn recognise<'a>(
    register: &'static [Row],
    head: &RequestHead<'a>,
    requirement: &Requirement,
) -> Result<Presentation<'a>, Rejection> {
    let explicit = match head.explicit()? {
        None => None,
        // What is presented for this request is recognised whatever is asked for: refused, never ignored.
        Some(carried) => Some(one(register.iter(), carried, head.sets)?.ok_or(Rejection::UNRECOGNISED)?),
    };
    if explicit.as_ref().is_some_and(|member| !requirement.accepts(member.scheme)) {
        return Err(Rejection::NOT_ACCEPTED);
    }
    match requirement {
        // It goes before what the platform sends along.
        Requirement::Any(_) if explicit.is_some() => Ok(Presentation::of(explicit)),
        Requirement::Any(conditions) => any_ambient(register, head, conditions),
        Requirement::All(conditions, _) => one_for_each(register, head, conditions, explicit),
    }
}

/// Recognises a text that somebody tells; `None`: it is no credential of any kind.
#[must_use]
pub fn recognise_told<'a>(
    rows: impl IntoIterator<Item = &'static Row>,
    text: &'a str,
    sets: &dyn DeclaredSets,
) -> Option<Result<Presentation<'a>, Rejection>> {
    match one(rows.into_iter(), Carried::Told(text), sets) {
        Ok(None) => None,
        Ok(member) => Some(Ok(Presentation::of(member))),
        Err(rejection) => Some(Err(rejection)),
    }
}

/// Under `any`, one kind that the platform sends along may count: of two it would not be said which.
fn any_ambient<'a>(
    register: &'static [Row],
    head: &RequestHead<'a>,
    conditions: &[Condition],
) -> Result<Presentation<'a>, Rejection> {
    let mut found: Option<Member<'a>> = None;
    for condition in conditions {
        // Two conditions on one kind are about the same credential.
        if found.as_ref().is_some_and(|member| member.scheme == condition.scheme) {
            continue;
        }
        if let Some(member) = ambient(register, head, condition.scheme)?
            && found.replace(member).is_some()
        {
            return Err(Rejection::AMBIGUOUS);
        }
    }
    Ok(Presentation::of(found))
}

/// Under `all`, each condition has a credential of its own. Where one is missing nothing is verified, so that nothing
/// is told about the others.
fn one_for_each<'a>(
    register: &'static [Row],
    head: &RequestHead<'a>,
    conditions: &[Condition],
    mut explicit: Option<Member<'a>>,
) -> Result<Presentation<'a>, Rejection> {
    let mut members = None;
    for condition in conditions {
        let member = match explicit.take_if(|member| member.scheme == condition.scheme) {
            Some(member) => Some(member),
            None => ambient(register, head, condition.scheme)?,
        };
        let Some(member) = member else {
            return Ok(Presentation::default());
        };
        members = Some(Few::with(members, member));
    }
    Ok(Presentation { members })
}

/// Finds the one credential of a scheme that the platform sends along.
fn ambient<'a>(
    register: &'static [Row],
    head: &RequestHead<'a>,
    scheme: Scheme,
) -> Result<Option<Member<'a>>, Rejection> {
    let rows = || {
        let of_scheme = register.iter().filter(move |row| row.kind.scheme == scheme);
        of_scheme.filter(|row| row.ways.iter().any(|way| way.is_ambient()))
    };
    if rows().next().is_none() {
        return Ok(None);
    }
    let mut found = None;
    for carried in head.ambient() {
        if let Some(member) = one(rows(), carried, head.sets)?
            && found.replace(member).is_some()
        {
            return Err(Rejection::AMBIGUOUS);
        }
    }
    Ok(found)
}

fn one<'a>(
    mut rows: impl Iterator<Item = &'static Row>,
    carried: Carried<'a>,
    sets: &dyn DeclaredSets,
) -> Result<Option<Member<'a>>, Rejection> {
    let found = rows.find_map(|row| Some((row.kind.scheme, row.recognise(carried, sets)?)));
    let Some((scheme, presented)) = found else {
        return Ok(None);
    };
    Ok(Some(Member { scheme, presented: presented? }))
}
