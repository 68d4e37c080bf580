//! The keys of cases: sets that were read lately, and which key a message means.

use std::collections::VecDeque;
use std::rc::Rc;

use anyhow::{Result, anyhow, bail};
use countersign_jose::jwk::{JwkSet, Key, NotFound};
use serde_json::Value;

/// What was read lately of sets, so that a batch with few sets parses few.
#[derive(Debug)]
pub(crate) struct Lately<T> {
    kept: VecDeque<Kept<T>>,
}

/// How many sets are kept.
const KEPT: usize = 8;

#[derive(Debug)]
struct Kept<T> {
    jwks: Value,
    allowed: Option<Vec<String>>,
    read: Rc<T>,
}

impl<T> Default for Lately<T> {
    fn default() -> Self {
        Self { kept: VecDeque::new() }
    }
}

impl<T> Lately<T> {
    /// Returns what `read` makes of a set, and of the algorithms that are allowed with it.
    ///
    /// # Errors
    ///
    /// What `read` says.
    pub(super) fn read(
        &mut self,
        jwks: &Value,
        allowed: Option<&[String]>,
        read: impl FnOnce(&Value, Option<&[String]>) -> Result<T>,
    ) -> Result<Rc<T>> {
        let same = |kept: &&Kept<T>| kept.jwks == *jwks && kept.allowed.as_deref() == allowed;
        if let Some(kept) = self.kept.iter().find(same) {
            return Ok(Rc::clone(&kept.read));
        }
        let read = Rc::new(read(jwks, allowed)?);
        self.kept.truncate(KEPT - 1);
        let allowed = allowed.map(<[String]>::to_vec);
        self.kept.push_front(Kept { jwks: jwks.clone(), allowed, read: Rc::clone(&read) });
        Ok(read)
    }
}

/// Finds the key that a message means; of one that the set has and that was passed over, tells why.
///
/// # Errors
///
/// Why there is none.
pub(super) fn find<'a, K: Key>(
    set: &'a JwkSet<K>,
    kid: Option<&str>,
    algorithm: K::Algorithm,
) -> Result<&'a K> {
    set.find(kid, algorithm).map(AsRef::as_ref).map_err(|reason| {
        let unfit = set.passed_over().iter().find(|record| kid.is_some() && record.kid.as_deref() == kid);
        let unfit = unfit.or_else(|| set.passed_over().first().filter(|_| set.keys().is_empty()));
        match (reason, unfit) {
            (NotFound::Kid | NotFound::Algorithm, Some(unfit)) => anyhow!("{reason}: {}", unfit.reason),
            (NotFound::Kid | NotFound::Algorithm | NotFound::Ambiguous, _) => reason.into(),
        }
    })
}

/// Returns the text of a token, which may also be an object of JSON.
///
/// # Errors
///
/// If it is something else.
pub(super) fn text(token: &Value) -> Result<String> {
    match token {
        Value::String(text) => Ok(text.clone()),
        Value::Object(_) => Ok(token.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            bail!("`token` is neither text nor an object")
        }
    }
}
