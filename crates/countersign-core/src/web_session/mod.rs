//! Sessions of people at the installation's own web apps: what a browser shows at the gateway instead of a token.
//!
//! What a browser shows stands for a *session token*: a short-lived signed token, as an access token is, of a `typ` of its own.
//! With `token = "jwt"` the browser keeps that token itself; with `opaque` it keeps a text that says nothing, and the node that it
//! comes to keeps the token. Both are renewed by what is kept of the session, the server's half, which takes a refresh token's
//! place and is never handed out.
//!
//! **Invariants.** A session begins with an authorization code that the gateway redeems, under a text that nobody has seen before
//! (OWASP ASVS 5.0 §7.2.4). A session token is no access token, nor the reverse. It ends at the next request with its session, its
//! person, its client, the grant, and "everything before"; what is kept of it ends with its time, or without use.
//!
//! What it does not do: know cookies, or where browsers are sent.

mod criteria;
mod kind;
mod rules;
#[cfg(test)]
mod tests;
mod wire;

pub use kind::{KIND, SCHEME};
pub use rules::{EndSession, Regard, Renewal, SessionIssuer, ShownSession, WebSession, renewal, shown};
pub use wire::{PresentedSession, ROW, TYPE, presented};
