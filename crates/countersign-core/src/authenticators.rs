//! The registers of authenticators.
//!
//! **Invariant.** At most one row recognises any value that is carried, in whatever way.

use crate::credential::Row;
use crate::{
    access_token, api_key, client_authentication, foreign_token, imported, management_key, web_session,
};

/// Who is recognised at the gateway. A new kind of credential is one line here.
pub static GATEWAY: &[Row] =
    &[api_key::ROW, imported::ROW, access_token::ROW, foreign_token::ROW, web_session::ROW];

/// Who is recognised at the management API.
pub static MANAGEMENT: &[Row] = &[management_key::ROW];

/// Who is recognised where a person is asked about (OpenID Connect Core 1.0 §5.3).
pub static USERINFO: &[Row] = &[access_token::ROW];

/// What is only ever told here: who presents it says more with it, at another door.
pub static TOLD: &[Row] = &[client_authentication::ROW];

/// Every row: for what is told rather than presented.
pub fn everybody() -> impl Iterator<Item = &'static Row> {
    GATEWAY.iter().chain(MANAGEMENT).chain(TOLD)
}

#[cfg(test)]
mod tests;
