//! The grant `authorization_code` (RFC 6749 §4.1.3, RFC 7636 §4.6): what a person has decided becomes tokens, once.
//!
//! **Invariants.** A code counts for one client, one redirect URI and one verifier, and once, however it is presented. To
//! present it again ends everything that it has obtained (RFC 6749 §4.1.2).

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_jose::base64url;
use serde::{Deserialize, Serialize};

use crate::audit::{Actor, AuditEvent};
use crate::authorized::Authorized;
use crate::context::Context;
use crate::delegation::{Delegated, GoingOn, end_family};
use crate::effect::{Effect, Outcome};
use crate::grant::{Asked, Form, Grant, GrantError, Redeem, Redeemed, TokenRequest};
use crate::issuing::ISSUE;
use crate::key_string::{KeyString, KeyText};
use crate::ledger::{FoundHandedOut, HandedOutBy, Lookup};
use crate::principal::Principal;
use crate::record::ArtifactRecord;
use crate::secret::{Secret, constant_time_eq};
use crate::timestamp::Timestamp;

/// The register's row.
pub const ROW: Grant = Grant { grant_type: "authorization_code", parse };

/// What codes are, among artifacts.
pub const KIND: &str = "authorization_code";

/// What every code begins with.
pub const PREFIX: &str = "cs_code";

/// How long a code is good: RFC 6749 §4.1.2 recommends ten minutes at most; a browser needs a moment to bring it.
const LIFETIME: Duration = Duration::from_secs(60);

/// How long a used code is remembered, so that who presents it again ends what it obtained.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

/// What is stored with a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeState {
    /// What was decided.
    pub authorized: Authorized,
    /// Where the browser was sent.
    pub redirect_uri: Box<str>,
    /// The `code_challenge` of the request, by `S256`; `None`: the client is registered to need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Box<str>>,
    /// The `nonce` of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Until when it is good.
    pub good_until: Timestamp,
    /// When it was used, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

/// A code that is handed out, and what is kept of it.
#[derive(Debug)]
pub struct MintedCode {
    /// Its text.
    pub text: Secret<String>,
    /// What is kept of it.
    pub record: ArtifactRecord,
}

/// How long a code is good that is made at `now`.
#[must_use]
pub fn good_until(now: Timestamp) -> Timestamp {
    now.plus(LIFETIME)
}

/// How long a code is remembered that is good until then.
#[must_use]
pub fn remembered_until(good_until: Timestamp) -> Timestamp {
    good_until.plus(REMEMBERED)
}

/// Draws the text of a code; `None`: the prefix is none, which does not happen.
#[must_use]
pub fn draw(context: &mut Context<'_>) -> Option<Secret<String>> {
    Some(KeyString::mint(&PREFIX.parse().ok()?, context.entropy).into_secret())
}

struct CodeRequest {
    code: String,
    redirect_uri: String,
    verifier: Option<String>,
    asked: Asked,
}

fn parse(form: &Form) -> Result<Box<dyn TokenRequest>, GrantError> {
    let code = form.required("code")?.to_owned();
    // Attack 16: the texts of other artifacts are no codes.
    let is_code = code.rsplit_once('_').is_some_and(|(prefix, _)| prefix == PREFIX);
    if !is_code || KeyText::parse(&code).is_err() {
        return Err(GrantError::InvalidGrant);
    }
    let verifier = form.get("code_verifier").map(str::to_owned);
    if verifier.as_deref().is_some_and(|verifier| !is_verifier(verifier)) {
        return Err(GrantError::InvalidRequest);
    }
    let redirect_uri = form.required("redirect_uri")?.to_owned();
    Ok(Box::new(CodeRequest { code, redirect_uri, verifier, asked: Asked::read(form)? }))
}

/// RFC 7636 §4.1: 43 to 128 unreserved characters.
fn is_verifier(text: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

/// Tells whether a text is a challenge by `S256` (RFC 7636 §4.2): the base64url of a SHA-256.
#[must_use]
pub fn is_challenge(text: &str) -> bool {
    text.len() == 43 && base64url::decode(text).is_ok_and(|hash| hash.len() == 32)
}

impl Redeem for CodeRequest {
    type Answer = FoundHandedOut;

    fn grant_type(&self) -> &'static str {
        ROW.grant_type
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup::HandedOut { kind: KIND, by: HandedOutBy::Text(&self.code) }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        found: FoundHandedOut,
    ) -> Outcome<Redeemed, GrantError> {
        let line = AuditEvent::granted(context.now, ISSUE, Actor::of(client)).within(client.organisation());
        let refuse = |line: AuditEvent, effects, reason| {
            Outcome::refused(GrantError::InvalidGrant, effects, line.turned_down(reason))
        };
        let FoundHandedOut { record: Some(record), subject: Some(person), person: Some(told) } = found else {
            return refuse(line, Vec::new(), "unknown_code");
        };
        let line = line.detail("family", record.family.to_string());
        let state: Option<CodeState> = serde_json::from_str(&record.payload).ok();
        let (Some(state), Some(grant)) = (state, record.grant) else {
            return refuse(line, Vec::new(), "unknown_code");
        };
        if state.used_at.is_some() {
            return refuse(line, end_family(context.now, record.family), "code_reused");
        }
        // Presented is used, whatever comes of it: nobody tries twice.
        let used = CodeState { used_at: Some(context.now), ..state };
        let Ok(payload) = serde_json::to_string(&used) else {
            return refuse(line, Vec::new(), "unknown_code");
        };
        let next = ArtifactRecord { version: record.version.saturating_add(1), payload, ..(*record).clone() };
        let effects = vec![Effect::Advance(next.into())];
        if let Err(reason) = self.judge(context, client, &record, &used) {
            return refuse(line, effects, reason);
        }
        let delegated = Delegated {
            person,
            told,
            grant,
            family: record.family,
            authorized: used.authorized,
            narrowed: self.asked.scopes.clone(),
            resource: self.asked.audience.clone(),
            nonce: used.nonce,
            going_on: GoingOn::Begins,
        };
        Outcome::granted(Redeemed::Delegated(Box::new(delegated)), effects, line)
    }
}

impl CodeRequest {
    fn judge(
        &self,
        context: &Context<'_>,
        client: &Principal,
        record: &ArtifactRecord,
        state: &CodeState,
    ) -> Result<(), &'static str> {
        if record.client != client.client() {
            return Err("another_clients_code");
        }
        if state.good_until <= context.now {
            return Err("code_expired");
        }
        // RFC 6749 §4.1.3: identical.
        if *state.redirect_uri != *self.redirect_uri {
            return Err("redirect_uri_mismatch");
        }
        match (&state.challenge, &self.verifier) {
            (None, None) => Ok(()),
            (Some(challenge), Some(verifier)) => {
                let hash = base64url::encode(digest(&SHA256, verifier.as_bytes()).as_ref());
                let is_same = constant_time_eq(hash.as_bytes(), challenge.as_bytes());
                if is_same { Ok(()) } else { Err("wrong_code_verifier") }
            }
            (Some(_), None) => Err("code_verifier_missing"),
            // CVE-2024-23647: a verifier where there was no challenge is a downgrade.
            (None, Some(_)) => Err("code_verifier_unexpected"),
        }
    }
}
