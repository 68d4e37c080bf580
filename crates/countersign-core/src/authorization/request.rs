//! Reads a request as far as it takes to know whom an answer goes to.

use form_urlencoded::Serializer;

use crate::client_terms::{ClientTerms, GrantType};
use crate::id::{OwnerId, OwnerKind};
use crate::question::Holder;

use super::model::Unanswerable;

/// The parameters of an authorization request, as they came; some may be there twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request(Vec<(String, String)>);

impl Request {
    /// Takes parameters. RFC 6749 §3.1: one without a value is treated as if it were omitted.
    #[must_use]
    pub fn new(parameters: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(parameters.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// Returns a parameter that is there once.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(one, _)| one == name).map(|(_, value)| value.as_str());
        let first = values.next()?;
        values.next().is_none().then_some(first)
    }

    /// Tells whether a parameter is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(one, _)| one == name)
    }

    /// Tells whether one is there twice (RFC 6749 §3.1: none may be).
    pub(super) fn repeats(&self) -> bool {
        self.0.iter().enumerate().any(|(index, (name, _))| {
            self.0.iter().skip(index.saturating_add(1)).any(|(other, _)| other == name)
        })
    }

    /// Returns the client that is named.
    ///
    /// # Errors
    ///
    /// [`Unanswerable`].
    pub fn client(&self) -> Result<OwnerId, Unanswerable> {
        let text = self.get("client_id").ok_or(Unanswerable::Malformed)?;
        let id: Option<OwnerId> = text.parse().ok();
        id.filter(|id| id.kind() == OwnerKind::Client).ok_or(Unanswerable::UnknownClient)
    }

    /// Returns it without what has been done: a person who has signed in is not asked to once more.
    #[must_use]
    pub fn after_sign_in(&self) -> Self {
        let done = |prompt: &&str| !["login", "select_account"].contains(prompt);
        let left = |value: &str| value.split(' ').filter(done).collect::<Vec<_>>().join(" ");
        let parameters = self.0.iter().filter(|(name, _)| name != "max_age").map(|(name, value)| {
            let value = if name == "prompt" { left(value) } else { value.clone() };
            (name.clone(), value)
        });
        Self::new(parameters)
    }

    /// Writes it as a query.
    #[must_use]
    pub fn to_query(&self) -> String {
        Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// Whom an answer goes to: proven.
#[derive(Debug, Clone)]
pub struct Addressed {
    /// The client and its organisation.
    pub holder: Holder,
    /// What is registered of it.
    pub terms: ClientTerms,
    /// Where the browser is sent; one of the client's.
    pub redirect_uri: String,
}

/// Proves whom an answer goes to. Compared byte for byte, before anything else is looked at.
///
/// # Errors
///
/// [`Unanswerable`].
pub fn addressed(request: &Request, found: Option<Holder>) -> Result<Addressed, Unanswerable> {
    let holder = found.ok_or(Unanswerable::UnknownClient)?;
    let is_live = holder.owner.disabled_at.is_none()
        && holder.organisation.as_ref().is_none_or(|organisation| organisation.disabled_at.is_none());
    let terms = holder.owner.client.as_deref().filter(|_| is_live).cloned();
    let terms = terms.ok_or(Unanswerable::UnknownClient)?;
    let redirect_uri = match (request.get("redirect_uri"), terms.redirect_uris.as_slice()) {
        (Some(asked), registered) => {
            let is_registered = registered.iter().any(|one| one.admits(asked));
            is_registered.then(|| asked.to_owned()).ok_or(Unanswerable::RedirectUri)?
        }
        // Twice, or not at all: with one that is registered it is not needed (RFC 6749 §3.1.2.3).
        (None, [only]) if !request.has("redirect_uri") => only.as_str().to_owned(),
        (None, _) => return Err(Unanswerable::Malformed),
    };
    Ok(Addressed { holder, terms, redirect_uri })
}

impl Addressed {
    pub(super) fn may(&self, grant: GrantType) -> bool {
        self.terms.grants.contains(&grant)
    }
}
