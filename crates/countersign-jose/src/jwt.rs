//! The claims of a token (RFC 7519 §4): strictly typed, and what a reader asks of them.
//!
//! **Invariant.** A claim of a wrong type is an error, never an absence (CVE-2026-25537, CVE-2020-26160).
//!
//! What it does not do: verify who signed; look at a clock. Whoever asks tells the time.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::json;

/// Why claims are refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// RFC 7519 §4.1.3: the token is for others.
    #[error("the token's `aud` does not list the audience that is expected")]
    Audience,
    /// RFC 7519 §4.1.4: the token has ended.
    #[error("the token has expired: its `exp` is {expired_at}, and now is {now}")]
    Expired {
        /// When, in seconds since 1970
        expired_at: NumericDate,
        /// The time that was told, in seconds since 1970
        now: u64,
    },
    /// RFC 7519 §4.1.1: somebody else issued the token.
    #[error("the token's `iss` is not the issuer that is expected")]
    Issuer,
    /// The claims are not an object of JSON.
    #[error("the claims are {0}")]
    Json(#[from] json::Error),
    /// A claim that is needed is absent.
    #[error("the token has no `{0}`")]
    Missing(&'static str),
    /// RFC 7519 §4.1.5: the token has not begun.
    #[error("the token is not valid yet: its `nbf` is {not_before}, and now is {now}")]
    NotYetValid {
        /// When it begins, in seconds since 1970
        not_before: NumericDate,
        /// The time that was told, in seconds since 1970
        now: u64,
    },
    /// A claim is of a wrong type.
    #[error("expected the token's `{claim}` to be {expected}")]
    Type {
        /// The claim
        claim: &'static str,
        /// What it must be
        expected: &'static str,
    },
}

/// The claims of a token.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// `iss` (RFC 7519 §4.1.1): who issued the token
    pub issuer: Option<String>,
    /// `sub` (§4.1.2): whom it is about
    pub subject: Option<String>,
    /// `aud` (§4.1.3): whom it is for, one or many
    pub audience: Option<Vec<String>>,
    /// `exp` (§4.1.4): from when on it is not accepted
    pub expires_at: Option<NumericDate>,
    /// `nbf` (§4.1.5): before when it is not accepted
    pub not_before: Option<NumericDate>,
    /// `iat` (§4.1.6): when it was issued
    pub issued_at: Option<NumericDate>,
    /// `jti` (§4.1.7): its name
    pub id: Option<String>,
    /// All other claims
    pub other: Map<String, Value>,
}

/// Seconds since 1970, of which there may be fractions (RFC 7519 §2).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct NumericDate(f64);

impl Claims {
    /// Reads claims.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] and [`Error::Type`].
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        Self::from_members(json::object(payload)?)
    }

    /// Reads the members of claims.
    ///
    /// # Errors
    ///
    /// [`Error::Type`].
    pub fn from_members(mut claims: Map<String, Value>) -> Result<Self, Error> {
        Ok(Self {
            issuer: take_text(&mut claims, "iss")?,
            subject: take_text(&mut claims, "sub")?,
            audience: take_audience(&mut claims)?,
            expires_at: take_date(&mut claims, "exp")?,
            not_before: take_date(&mut claims, "nbf")?,
            issued_at: take_date(&mut claims, "iat")?,
            id: take_text(&mut claims, "jti")?,
            other: claims,
        })
    }

    /// Returns the end of a token that lives `now` (seconds since 1970), give or take `leeway`. It must have an end.
    ///
    /// # Errors
    ///
    /// [`Error::Expired`], [`Error::Missing`] and [`Error::NotYetValid`].
    pub fn alive(&self, now: Duration, leeway: Duration) -> Result<NumericDate, Error> {
        let expired_at = self.expires_at.ok_or(Error::Missing("exp"))?;
        // RFC 7519 §4.1.4: the current time must be before it.
        if now.as_secs_f64() >= expired_at.0 + leeway.as_secs_f64() {
            return Err(Error::Expired { expired_at, now: now.as_secs() });
        }
        match self.not_before {
            Some(not_before) if now.as_secs_f64() + leeway.as_secs_f64() < not_before.0 => {
                Err(Error::NotYetValid { not_before, now: now.as_secs() })
            }
            Some(_) | None => Ok(expired_at),
        }
    }

    /// Returns the issuer, which must be the one that is expected.
    ///
    /// # Errors
    ///
    /// [`Error::Issuer`], and [`Error::Missing`].
    pub fn issued_by(&self, expected: &str) -> Result<&str, Error> {
        let issuer = self.issuer.as_deref().ok_or(Error::Missing("iss"))?;
        if issuer == expected { Ok(issuer) } else { Err(Error::Issuer) }
    }

    /// Returns the audience, which must list the one that is expected.
    ///
    /// # Errors
    ///
    /// [`Error::Audience`], and [`Error::Missing`].
    pub fn meant_for(&self, expected: &str) -> Result<&[String], Error> {
        let audience = self.audience.as_deref().ok_or(Error::Missing("aud"))?;
        if audience.iter().any(|listed| listed == expected) { Ok(audience) } else { Err(Error::Audience) }
    }
}

impl NumericDate {
    /// Returns the time since 1970: none for what lies before, all there is for what lies beyond.
    #[must_use]
    pub fn since_epoch(self) -> Duration {
        if self.0 <= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(self.0).unwrap_or(Duration::MAX)
    }
}

impl std::fmt::Display for NumericDate {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(out)
    }
}

fn take_text(claims: &mut Map<String, Value>, claim: &'static str) -> Result<Option<String>, Error> {
    match claims.remove(claim) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::Type { claim, expected: "text" }),
    }
}

fn take_date(claims: &mut Map<String, Value>, claim: &'static str) -> Result<Option<NumericDate>, Error> {
    let Some(value) = claims.remove(claim) else {
        return Ok(None);
    };
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite());
    seconds
        .map(|seconds| Some(NumericDate(seconds)))
        .ok_or(Error::Type { claim, expected: "a number of seconds" })
}

fn take_audience(claims: &mut Map<String, Value>) -> Result<Option<Vec<String>>, Error> {
    let wrong = Error::Type { claim: "aud", expected: "text or a list of texts" };
    match claims.remove("aud") {
        None => Ok(None),
        Some(Value::String(one)) => Ok(Some(vec![one])),
        Some(Value::Array(many)) => {
            let text = |value| if let Value::String(text) = value { Some(text) } else { None };
            many.into_iter().map(text).collect::<Option<Vec<_>>>().map(Some).ok_or(wrong)
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{Claims, Error, NumericDate};

    #[track_caller]
    fn read(claims: &Value) -> Claims {
        Claims::parse(claims.to_string().as_bytes()).unwrap()
    }

    #[track_caller]
    fn check(claims: &Value, expected: &str) {
        let found = Claims::parse(claims.to_string().as_bytes()).unwrap_err().to_string();
        assert!(found.contains(expected), "{found}");
    }

    #[test]
    fn rfc7519_4_1_claims_are_read_by_their_types() {
        let claims = read(&json!({
            "iss": "https://a.example", "sub": "s", "aud": "x", "exp": 2, "nbf": 1.5, "iat": -1, "jti": "j",
            "scope": "a b", "exp_": null,
        }));
        assert_eq!(claims.audience.as_deref(), Some(&["x".to_owned()][..]));
        assert_eq!(claims.not_before.map(NumericDate::since_epoch), Some(Duration::from_millis(1500)));
        assert_eq!(claims.issued_at.map(NumericDate::since_epoch), Some(Duration::ZERO));
        assert_eq!(claims.other.len(), 2);
        assert_eq!(read(&json!({ "aud": ["x", "y"] })).audience.map(|listed| listed.len()), Some(2));
        assert_eq!(
            read(&json!({ "exp": 1e300 })).expires_at.map(NumericDate::since_epoch),
            Some(Duration::MAX)
        );
    }

    #[test]
    fn cve_2026_25537_a_claim_of_a_wrong_type_is_an_error_and_no_absence() {
        for claim in ["exp", "nbf", "iat"] {
            for wrong in
                [json!("never"), json!("1700000000"), json!(null), json!([1]), json!({}), json!(true)]
            {
                check(&json!({ claim: wrong }), &format!("`{claim}` to be a number"));
            }
        }
        for claim in ["iss", "sub", "jti"] {
            for wrong in [json!(1), json!(null), json!(["a"]), json!({}), json!(false)] {
                check(&json!({ claim: wrong }), &format!("`{claim}` to be text"));
            }
        }
        for wrong in [json!(1), json!(null), json!({}), json!([1]), json!(["a", null]), json!([["a"]])] {
            check(&json!({ "aud": wrong }), "`aud` to be text or a list");
        }
        assert!(Claims::parse(br#"{"exp":1e400}"#).is_err());
        assert!(Claims::parse(br#"{"exp":1,"exp":9}"#).is_err());
        assert!(Claims::parse(b"[]").is_err());
        assert!(Claims::parse(b"").is_err());
    }

    #[track_caller]
    fn at(now: u64, leeway: u64, expected: Option<&str>) {
        let claims = read(&json!({ "nbf": 100, "exp": 200 }));
        let found = claims.alive(Duration::from_secs(now), Duration::from_secs(leeway));
        match expected {
            None => assert!(found.is_ok(), "{found:?}"),
            Some(reason) => assert!(found.unwrap_err().to_string().contains(reason)),
        }
    }

    #[test]
    fn rfc7519_4_1_4_and_4_1_5_a_token_lives_from_its_beginning_until_before_its_end() {
        at(99, 0, Some("not valid yet: its `nbf` is 100, and now is 99"));
        at(100, 0, None);
        at(199, 0, None);
        at(200, 0, Some("expired: its `exp` is 200, and now is 200"));
        at(95, 5, None);
        at(94, 5, Some("not valid yet"));
        at(204, 5, None);
        at(205, 5, Some("expired"));
        let endless = read(&json!({ "nbf": 1 })).alive(Duration::from_secs(2), Duration::ZERO);
        assert!(matches!(endless, Err(Error::Missing("exp"))));
    }

    #[test]
    fn cve_2020_26160_who_issued_it_and_whom_it_is_for_must_be_said() {
        let claims = read(&json!({ "iss": "https://a.example", "aud": ["x", "y"] }));
        assert!(claims.meant_for("y").is_ok() && claims.issued_by("https://a.example").is_ok());
        assert!(matches!(claims.meant_for("z"), Err(Error::Audience)));
        assert!(matches!(claims.meant_for(""), Err(Error::Audience)));
        assert!(matches!(claims.issued_by("https://a.example/"), Err(Error::Issuer)));
        let silent = read(&json!({}));
        assert!(matches!(silent.meant_for("x"), Err(Error::Missing("aud"))));
        assert!(matches!(silent.issued_by("x"), Err(Error::Missing("iss"))));
        assert!(matches!(read(&json!({ "aud": [] })).meant_for("x"), Err(Error::Audience)));
    }
}
