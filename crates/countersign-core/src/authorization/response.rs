//! The answer that a browser carries to the client (RFC 6749 §4.1.2, RFC 9207 §2).

use form_urlencoded::Serializer;

use super::checks::Checked;
use super::model::{AuthorizationError, ResponseMode};
use super::request::{Addressed, Request};
use crate::secret::Secret;

/// An answer, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Where: one of the client's redirect URIs.
    pub redirect_uri: String,
    /// How.
    pub mode: ResponseMode,
    /// What, in the order in which it is written.
    pub parameters: Vec<(&'static str, String)>,
}

impl Response {
    /// Gives a code.
    #[must_use]
    pub fn code(checked: &Checked, issuer: &str, code: &Secret<String>) -> Self {
        let first = vec![("code", code.expose().clone())];
        let to = (checked.addressed.redirect_uri.clone(), checked.mode);
        Self::to(to, first, checked.state.clone(), issuer)
    }

    /// Says why there is none.
    #[must_use]
    pub fn error(request: &Request, to: &Addressed, issuer: &str, error: AuthorizationError) -> Self {
        let first = vec![("error", error.code().to_owned()), ("error_description", error.to_string())];
        // An answer to a request that names no mode that is known goes by the default one.
        let mode = request.get("response_mode").and_then(|text| text.parse().ok());
        let to = (to.redirect_uri.clone(), mode.unwrap_or(ResponseMode::Query));
        Self::to(to, first, request.get("state").map(str::to_owned), issuer)
    }

    fn to(
        (redirect_uri, mode): (String, ResponseMode),
        mut parameters: Vec<(&'static str, String)>,
        state: Option<String>,
        issuer: &str,
    ) -> Self {
        parameters.extend(state.map(|state| ("state", state)));
        // RFC 9207 §2: in every answer, errors too.
        parameters.push(("iss", issuer.to_owned()));
        Self { redirect_uri, mode, parameters }
    }

    /// Writes where the browser goes. What the redirect URI's own query says is kept (RFC 6749 §3.1.2).
    #[must_use]
    pub fn location(&self) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(self.parameters.iter().map(|(name, value)| (*name, value.as_str())));
        let separator = match self.redirect_uri.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some(_) => "&",
        };
        format!("{}{separator}{}", self.redirect_uri, query.finish())
    }
}
