//! The parameter `claims` (OpenID Connect Core 1.0 §5.5): single claims that a client asks for.
//!
//! **Invariant.** What is asked for is allowed by the scope that it belongs to (§5.4): the person is shown that scope, and without
//! it nothing is told.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::model::AuthorizationError;
use super::request::Request;
use crate::authentication_context::Essential;
use crate::identity::OPENID;
use crate::person_terms::PROFILE_CLAIMS;
use crate::scope::ScopeSet;

/// The longest parameter; a bound, not a clause.
const MAX_CLAIMS: usize = 4096;

/// What a client asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimsRequest {
    /// What the ID token shall say beside.
    pub id_token: BTreeSet<String>,
    /// What userinfo shall say.
    userinfo: BTreeSet<String>,
    /// Whom it has to be about (§5.5.1).
    pub subject: Option<String>,
    /// How that person has to have signed in (§5.5.1.1).
    pub essential: Option<Essential>,
}

impl ClaimsRequest {
    /// Reads the parameter. What is not known is passed over (§5.5).
    ///
    /// # Errors
    ///
    /// [`AuthorizationError::InvalidRequest`].
    pub(super) fn read(request: &Request) -> Result<Self, AuthorizationError> {
        const EXPECTED: AuthorizationError = AuthorizationError::InvalidRequest(
            "expected claims to be an object of JSON of at most 4096 bytes",
        );
        let Some(text) = request.get("claims") else { return Ok(Self::default()) };
        let bounded = Some(text).filter(|text| text.len() <= MAX_CLAIMS).ok_or(EXPECTED)?;
        let asked: Map<String, Value> = serde_json::from_str(bounded).map_err(|_| EXPECTED)?;
        let of = |name: &str| match asked.get(name) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(members)) => Ok(members.clone()),
            Some(_) => Err(EXPECTED),
        };
        let (id_token, userinfo) = (of("id_token")?, of("userinfo")?);
        let value = |members: &Map<String, Value>| {
            members.get("sub")?.as_object()?.get("value")?.as_str().map(str::to_owned)
        };
        let names = |members: &Map<String, Value>| {
            members.keys().filter(|name| scope_of(name).is_some()).cloned().collect()
        };
        Ok(Self {
            subject: value(&id_token).or_else(|| value(&userinfo)),
            essential: essential(&id_token),
            id_token: names(&id_token),
            userinfo: names(&userinfo),
        })
    }

    /// Returns the scopes that allow what is asked for; only where somebody signs in by OpenID Connect.
    pub(super) fn scopes(&self, asked: &ScopeSet) -> ScopeSet {
        let names = self.id_token.iter().chain(&self.userinfo);
        let scopes = names.filter_map(|name| scope_of(name)?.parse().ok()).collect::<Vec<_>>();
        let scopes = ScopeSet::try_from(scopes).unwrap_or_default();
        if asked.contains(OPENID) { asked.union(&scopes) } else { asked.clone() }
    }
}

/// Reads which authentication contexts are insisted on. One that is only wished for changes nothing: a sign-in tells what it has
/// reached in any case.
fn essential(members: &Map<String, Value>) -> Option<Essential> {
    let asked = members.get("acr")?.as_object()?;
    let values: Vec<_> = match (asked.get("value"), asked.get("values")) {
        (None, None) => return None,
        (one, Some(Value::Array(several))) => one.into_iter().chain(several).collect(),
        (one, other) => one.into_iter().chain(other).collect(),
    };
    let named = values.into_iter().filter_map(|value| value.as_str().map(str::to_owned));
    (asked.get("essential") == Some(&Value::Bool(true))).then(|| Essential(named.collect()))
}

/// Returns the scope that a claim belongs to (§5.4).
fn scope_of(claim: &str) -> Option<&'static str> {
    match claim {
        "email" | "email_verified" => Some("email"),
        "name" | "preferred_username" | "updated_at" | "organisations" => Some("profile"),
        other if PROFILE_CLAIMS.contains(&other) => Some("profile"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::Request;
    use super::ClaimsRequest;

    #[track_caller]
    fn check(claims: &str, expected: Option<(&str, &str, Option<&str>)>) {
        let request = Request::new([("claims".to_owned(), claims.to_owned())]);
        let read = ClaimsRequest::read(&request).ok();
        let told = read.as_ref().map(|read| {
            let names: Vec<_> = read.id_token.iter().map(String::as_str).collect();
            let scopes = read.scopes(&"openid".parse().unwrap()).to_string();
            assert_eq!(read.scopes(&"orders:read".parse().unwrap()).to_string(), "orders:read");
            (names.join(" "), scopes, read.subject.as_deref())
        });
        let told = told.as_ref().map(|(names, scopes, subject)| (names.as_str(), scopes.as_str(), *subject));
        assert_eq!(told, expected, "{claims}");
    }

    #[test]
    fn openid_core_5_5_claims_are_asked_for_by_name_and_allowed_by_their_scope() {
        check("", Some(("", "openid", None)));
        check("{}", Some(("", "openid", None)));
        check(
            r#"{"id_token":{"email":null,"acr":{"essential":true}}}"#,
            Some(("email", "email openid", None)),
        );
        check(
            r#"{"userinfo":{"name":{"essential":true},"email":null}}"#,
            Some(("", "email openid profile", None)),
        );
        check(r#"{"userinfo":{"x":null,"password":null},"other":1}"#, Some(("", "openid", None)));
        check(r#"{"id_token":{"sub":{"value":"user_1"}}}"#, Some(("", "openid", Some("user_1"))));
        for text in ["x", "[]", "1", r#"{"id_token":1}"#, r#"{"userinfo":[]}"#, r#"{"id_token":"#] {
            check(text, None);
        }
        check(&format!(r#"{{"x":"{}"}}"#, "x".repeat(4096)), None);
    }

    #[test]
    fn openid_core_5_5_1_1_an_essential_acr_is_one_of_its_values() {
        for (acr, expected) in [
            ("null", None),
            (r#"{"essential":true}"#, None),
            (r#"{"values":["a","b"]}"#, None),
            (r#"{"essential":false,"value":"a"}"#, None),
            (r#"{"essential":"true","value":"a"}"#, None),
            (r#"{"essential":true,"value":"a"}"#, Some("a")),
            (r#"{"essential":true,"values":["b","a"]}"#, Some("a b")),
            (r#"{"essential":true,"value":"c","values":["b","a"]}"#, Some("a b c")),
            // Nothing that is a name: nothing can meet it.
            (r#"{"essential":true,"values":[]}"#, Some("")),
            (r#"{"essential":true,"values":[1,"a"]}"#, Some("a")),
            (r#"{"essential":true,"value":1}"#, Some("")),
        ] {
            let claims = format!(r#"{{"id_token":{{"acr":{acr}}}}}"#);
            let request = Request::new([("claims".to_owned(), claims)]);
            let essential = ClaimsRequest::read(&request).unwrap().essential;
            let names = essential.map(|essential| essential.0.into_iter().collect::<Vec<_>>().join(" "));
            assert_eq!(names.as_deref(), expected, "{acr}");
        }
    }
}
