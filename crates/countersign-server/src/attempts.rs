//! What browsers keep while they are elsewhere to sign in: a cookie for each attempt.
//!
//! **Invariant.** An attempt is found by its own `state` alone, in the browser that keeps it (RFC 6749 §10.12). There is room for a
//! few, and the oldest make it.

use countersign_core::attempt::{Attempt, Goal, LIFETIME, name_of};
use countersign_core::context::Context;
use countersign_edge::cookie::{Cookie, ours};
use http::HeaderMap;

use crate::app::App;
use crate::failure::Failure;

/// The attempts of one kind.
pub(crate) struct Attempts {
    /// What the names of their cookies begin with.
    pub(crate) prefix: &'static str,
    /// The most that a browser keeps, in as many tabs.
    pub(crate) most: usize,
    /// The most bytes of a cookie; a longer one would not be kept (RFC 6265 §6.1).
    pub(crate) longest: usize,
}

impl Attempts {
    /// Begins one. Returns what the browser keeps from now on.
    pub(crate) fn begin<T: Goal>(
        &self,
        app: &App,
        headers: &HeaderMap,
        begin: impl FnOnce(&mut Context<'_>) -> Attempt<T>,
    ) -> Result<(Attempt<T>, Vec<Cookie>), Failure> {
        let begun = app.with_context(None, |context| {
            let attempt = begin(context);
            attempt.sealed(context).map(|sealed| (attempt, sealed))
        });
        let (attempt, sealed) = begun.map_err(|error| Failure::Invalid(error.to_string()))?;
        if sealed.expose().len() > self.longest {
            return Err(Failure::Invalid("the request: too long to be kept meanwhile".to_owned()));
        }
        let name = format!("{}{}", self.prefix, attempt.name());
        let mut cookies = self.superseded::<T>(app, headers);
        cookies.push(Cookie { name: name.into(), value: sealed, max_age: Some(LIFETIME.as_secs()) });
        Ok((attempt, cookies))
    }

    /// Finds the attempt that a `state` belongs to, in this browser, and the name of its cookie.
    pub(crate) fn find<T: Goal>(
        &self,
        app: &App,
        headers: &HeaderMap,
        state: &str,
    ) -> Option<(String, Attempt<T>)> {
        let cookie = format!("{}{}", self.prefix, name_of(state)?);
        let peppers = app.store.snapshot().peppers();
        let attempt = Attempt::open(peppers, app.now(), name_of(state)?, kept(headers, &cookie)?)?;
        attempt.is_its(state).then_some((cookie, attempt))
    }

    /// Takes away what is no good attempt any more, and the oldest ones, so that there is room for one.
    fn superseded<T: Goal>(&self, app: &App, headers: &HeaderMap) -> Vec<Cookie> {
        let peppers = app.store.snapshot().peppers();
        let kept =
            ours(headers).filter_map(|(name, value)| Some((name, name.strip_prefix(self.prefix)?, value)));
        let (mut good, mut gone) = (Vec::new(), Vec::new());
        for (cookie, name, value) in kept {
            match Attempt::<T>::open(peppers, app.now(), name, value) {
                Some(attempt) => good.push((attempt.until, cookie)),
                None => gone.push(cookie),
            }
        }
        good.sort_unstable();
        let excess = (good.len() + 1).saturating_sub(self.most);
        let oldest = good.iter().take(excess).map(|(_, cookie)| *cookie);
        gone.into_iter().chain(oldest).map(|cookie| Cookie::gone(cookie.to_owned())).collect()
    }
}

/// Finds the one cookie of a name; of two, neither (RFC 6265bis §8.6).
pub(crate) fn kept<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = ours(headers).filter(|(one, _)| *one == name).map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}
