//! The pages that people see at the issuer: templates, messages in their languages, and what each page may do.
//!
//! **Invariant.** A page runs no script, but for the one line of [`form_post`]; it is shown in no frame, loads nothing from
//! elsewhere, and what strangers chose is escaped. Field names and ids of buttons are stable (PRODUCT §5).
//!
//! What it does not do: decide anything, or know where a form's fields come from.

pub(crate) mod account;
pub(crate) mod assets;
pub(crate) mod consent;
pub(crate) mod destination;
pub(crate) mod device;
pub(crate) mod form_post;
pub(crate) mod language;
pub(crate) mod mail;
pub(crate) mod notice;
pub(crate) mod problem;
pub(crate) mod sign_in;
pub(crate) mod sign_out;
#[cfg(test)]
mod tests;

use askama::Template;
use http::StatusCode;

use crate::reply::Reply;

use account::Tab;

/// A page.
pub(crate) trait Page: Template {
    /// Returns its status.
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }

    /// Returns the addresses elsewhere to which the answers of its forms may lead.
    fn leads_to(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Returns what else its policy says.
    fn policy(&self) -> &'static str {
        ""
    }

    /// Becomes an answer.
    fn reply(&self) -> Reply {
        // INVARIANT: nothing in a template fails but writing, and a `String` takes all.
        let html = self.render().unwrap_or_default();
        let form_action = destination::form_action(&self.leads_to());
        Reply::page(self.status(), html, &format!("form-action {form_action}{}", self.policy()))
    }
}

/// Returns where a request goes on to: a page of ours if it names one, or else the authorization endpoint. Nowhere else,
/// whatever it holds.
pub(crate) fn onward(request: &str) -> String {
    match is_own(request) || request.starts_with(".countersign/") {
        true => format!("/{request}"),
        false => format!("/oauth/authorize?{request}"),
    }
}

/// Tells whether a request is for a page of ours that people come to by themselves: the device page, or their account.
pub(crate) fn is_own(request: &str) -> bool {
    request == "device"
        || request.starts_with("device?")
        || Tab::ALL.iter().any(|tab| tab.request() == request)
}

/// What binds a form to the browser that it was shown in, and to what was asked: two hidden fields of each form.
#[derive(Debug)]
pub(crate) struct Bound<'a> {
    /// The field `csrf`.
    pub(crate) token: String,
    /// The field `request`: the query that the form goes on with.
    pub(crate) request: &'a str,
}
