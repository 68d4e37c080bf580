//! The registers of authenticators, and the selection of the one that a request presents.
//!
//! **Invariant.** At most one row recognises any credential, and a request presents at most one credential:
//! two are refused, never ranked (RFC 6750 §2). What is presented and fails ends the request.

use std::fmt;

use http::HeaderName;
use http::header::AUTHORIZATION;

use crate::api_key::ApiKey;
use crate::credential::{Authenticator, Presented, Rejection, RequestHead};
use crate::key_string::KEY_HEADER;
use crate::management_key::ManagementKey;
use crate::scheme::Scheme;

/// Who is recognised at the gateway. A new kind of credential is one line here.
pub static GATEWAY: &[&dyn Authenticator] = &[&ApiKey];

/// Who is recognised at the management API.
pub static MANAGEMENT: &[&dyn Authenticator] = &[&ManagementKey];

/// Tells whether `register` has a row for credentials of `scheme`.
#[must_use]
pub fn recognises(register: &[&dyn Authenticator], scheme: Scheme) -> bool {
    register.iter().any(|row| row.scheme() == scheme)
}

/// A credential that one row has recognised.
pub struct Recognised {
    /// The row's scheme.
    pub scheme: Scheme,
    /// The credential, not yet believed.
    pub presented: Box<dyn Presented>,
}

impl fmt::Debug for Recognised {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Recognised").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// Finds the one credential that a request presents; `None`: it presents none.
///
/// # Errors
///
/// [`Rejection::Ambiguous`] for more than one, [`Rejection::Unrecognised`] for a kind that no row knows,
/// or the row's own reason.
pub fn recognise(
    register: &[&dyn Authenticator],
    head: &RequestHead<'_>,
) -> Result<Option<Recognised>, Rejection> {
    let Some((bearer, header)) = the_one_credential(head)? else {
        return Ok(None);
    };
    let mut rows = register.iter().filter_map(|row| Some((row.scheme(), row.recognise(bearer, header)?)));
    let Some((scheme, presented)) = rows.next() else {
        return Err(Rejection::Unrecognised);
    };
    Ok(Some(Recognised { scheme, presented: presented? }))
}

/// Returns the text of the one bearer credential in the header fields, and the field of an imported set that held it.
fn the_one_credential<'a>(head: &RequestHead<'a>) -> Result<Option<(&'a str, Option<&'a str>)>, Rejection> {
    let headers = head.headers;
    let declared = head.key_headers.iter().flat_map(|name| headers.get_all(name));
    let mut places = headers.get_all(AUTHORIZATION).iter().chain(headers.get_all(KEY_HEADER)).chain(declared);
    let Some(value) = places.next() else {
        return Ok(None);
    };
    // RFC 6750 §2: clients MUST NOT use more than one method to transmit the token in each request.
    if places.next().is_some() {
        return Err(Rejection::Ambiguous);
    }
    let text = value.to_str().map_err(|_| Rejection::Unrecognised)?;
    let declared = head.key_headers.iter().find(|name| headers.contains_key(*name));
    if declared.is_some() || headers.contains_key(KEY_HEADER) {
        return Ok(Some((text.trim(), declared.map(HeaderName::as_str))));
    }
    bearer_token(text).map(|token| Some((token, None)))
}

/// Reads the credentials of the `Bearer` scheme (RFC 6750 §2.1; the scheme's name is case-insensitive, RFC 9110 §11.1).
fn bearer_token(text: &str) -> Result<&str, Rejection> {
    let (scheme, token) = text.split_once(' ').ok_or(Rejection::Unrecognised)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(Rejection::Unrecognised);
    }
    // `Bearer a, Bearer b` is one field line with two credentials: a proxy joined them.
    if token.contains([' ', ',']) { Err(Rejection::Ambiguous) } else { Ok(token) }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::{any, proptest};

    use super::{GATEWAY, MANAGEMENT, recognise};
    use crate::api_key;
    use crate::context::SeededEntropy;
    use crate::credential::{Rejection, RequestHead};
    use crate::key_string::KeyString;
    use crate::scheme::Scheme;

    fn key(prefix: &str) -> String {
        KeyString::mint(&prefix.parse().unwrap(), &mut SeededEntropy::new(1)).into_secret().expose().clone()
    }

    #[track_caller]
    fn check(fields: &[(&str, &str)], expected: Result<Option<Scheme>, Rejection>) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        let found = recognise(GATEWAY, &RequestHead { headers: &headers, key_headers: &[] });
        assert_eq!(found.map(|one| one.map(|one| one.scheme)), expected, "{fields:?}");
    }

    #[test]
    fn rfc6750_2_one_credential_by_one_method() {
        let api = key("cs_live");
        let bearer = format!("Bearer {api}");
        check(&[], Ok(None));
        check(&[("authorization", &bearer)], Ok(Some(api_key::SCHEME)));
        check(&[("authorization", &format!("bEaReR   {api}"))], Ok(Some(api_key::SCHEME)));
        check(&[("x-api-key", &api)], Ok(Some(api_key::SCHEME)));
        check(&[("authorization", &bearer), ("authorization", &bearer)], Err(Rejection::Ambiguous));
        check(&[("x-api-key", &api), ("x-api-key", &api)], Err(Rejection::Ambiguous));
        check(&[("authorization", &bearer), ("x-api-key", &api)], Err(Rejection::Ambiguous));
        check(&[("authorization", &format!("{bearer}, {bearer}"))], Err(Rejection::Ambiguous));
    }

    #[test]
    fn what_no_row_knows_is_refused_not_ignored() {
        let management = key("cs_mgmt");
        for value in
            ["Basic YTpi", "Bearer", "Bearer ", "bearer\tx", &format!("Bearer {management}"), "Bearer é"]
        {
            check(&[("authorization", value)], Err(Rejection::Unrecognised));
        }
    }

    proptest! {
        #[test]
        fn at_most_one_authenticator_recognises_any_credential(text in "[ -~]{0,90}", seed in any::<u64>()) {
            let minted = |prefix: &str| {
                KeyString::mint(&prefix.parse().unwrap(), &mut SeededEntropy::new(seed)).into_secret().expose().clone()
            };
            for text in [text, minted("cs_live"), minted("cs_mgmt"), minted("acme")] {
                let rows = GATEWAY.iter().chain(MANAGEMENT).filter(|row| row.recognise(&text, None).is_some()).count();
                assert!(rows <= 1, "{text}");
            }
        }
    }
}
