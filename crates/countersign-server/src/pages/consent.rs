//! The page on which people decide what an application may do. Posts `scope`, `decision`, `request` and `csrf` to `/consent`.

use std::collections::BTreeMap;

use askama::Template;
use countersign_core::identity::OPENID;
use countersign_core::scope::{Scope, ScopeSet};

use super::language::Locale;
use super::{Bound, Page};

/// Asks for consent.
#[derive(Debug, Template)]
#[template(path = "consent.html")]
pub(crate) struct Consent<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What binds the form.
    pub(crate) bound: Bound<'a>,
    /// The client's name.
    pub(crate) client: &'a str,
    /// Where the answer is sent.
    pub(crate) redirect: Option<&'a str>,
    /// Whether a person has registered it for themselves: whatever it is called, nobody has looked at it.
    pub(crate) is_unchecked: bool,
    /// Who is signed in.
    pub(crate) user: &'a str,
    /// What is asked for.
    pub(crate) scopes: &'a [AskedScope<'a>],
    /// Whether the access outlasts the visit (`offline_access`).
    pub(crate) lasting: bool,
}

/// A scope that a client asks for.
#[derive(Debug)]
pub(crate) struct AskedScope<'a> {
    /// The scope-token.
    pub(crate) name: &'a str,
    /// What it means, in the resource's own words; `None`: it has none.
    pub(crate) words: Option<&'a str>,
    /// Whether it cannot be left out.
    pub(crate) required: bool,
}

impl<'a> AskedScope<'a> {
    /// Returns how each of `scopes` is shown, in the words of its resource.
    pub(crate) fn all(scopes: &'a ScopeSet, described: Option<&'a BTreeMap<Scope, String>>) -> Vec<Self> {
        let shown = |scope: &'a Scope| Self {
            name: scope.as_str(),
            words: described.and_then(|all| all.get(scope)).map(String::as_str),
            required: scope.as_str() == OPENID,
        };
        scopes.iter().map(shown).collect()
    }

    /// Says what it means: in the resource's words, in ours for the scopes of OpenID Connect, or by its name.
    pub(crate) fn words(&self, locale: &Locale) -> String {
        let ours = format!("scope-{}", self.name);
        match self.words {
            Some(words) => super::language::plain(words),
            None if locale.knows(&ours) => locale.tell(&ours),
            None => self.name.to_owned(),
        }
    }
}

impl Page for Consent<'_> {
    fn leads_to(&self) -> Vec<&str> {
        self.redirect.into_iter().collect()
    }
}
