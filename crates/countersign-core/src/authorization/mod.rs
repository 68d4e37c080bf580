//! The authorization endpoint's decisions (RFC 6749 §3.1, §4.1; OpenID Connect Core 1.0 §3.1.2): what a client asks of a
//! person, whether it may, and what the person's word makes of it.
//!
//! A request is read (`request`), checked row by row (`checks`), and answered (`rules`): by sending the browser back
//! (`response`), or by asking the person first. Nothing of it is kept meanwhile: each step begins with the whole request,
//! and checks all of it again.
//!
//! **Invariants.** While the client or the redirect URI is not proven, nobody is sent anywhere. Every answer names its
//! issuer (RFC 9207). What a person allows and the code that comes of it are one commit; a code holds no scope that was not
//! allowed.

mod checks;
mod claims;
mod model;
mod request;
mod response;
mod rules;

#[cfg(test)]
mod tests;

pub(crate) use checks::asked_scopes;
pub use checks::{CHECKS, Check, Checked, check};
pub use claims::ClaimsRequest;
pub use model::{AuthorizationError, Prompt, ResponseMode, SignedIn, Unanswerable};
pub use request::{Addressed, Request, addressed};
pub use response::Response;
pub(crate) use rules::{AUTHORIZE, consented, ticked_of};
pub use rules::{Authorize, Granted, Next, Refused, Said, next};
