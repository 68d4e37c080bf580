//! `token.verify`: whether a token is signed by a key of a set, and says what it must.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use countersign_jose::algorithm::{JwsAlgorithm, MacAlgorithm, SignatureAlgorithm};
use countersign_jose::jwk::{JwkSet, MacKey, PublicKey};
use countersign_jose::jws::{self, Compact, Verified};
use serde::Deserialize;
use serde_json::Value;

use super::MOST;
use super::keys::{Lately, find, text};

/// A signed token, and what is asked of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verify {
    /// The set of the keys that may have signed it
    pub(crate) jwks: Value,
    /// The token: text, or an object of the JSON serializations
    pub(crate) token: Value,
    /// The algorithms that are allowed; absent: those of the keys
    #[serde(default)]
    pub(crate) alg: Option<Vec<String>>,
    /// The `iss` that it must have
    #[serde(default)]
    pub(crate) issuer: Option<String>,
    /// What its `aud` must list
    #[serde(default)]
    pub(crate) audience: Option<String>,
    /// The `typ` that its header must have
    #[serde(default)]
    pub(crate) typ: Option<String>,
    /// When it must be valid, in seconds since 1970; absent: now
    #[serde(default)]
    pub(crate) at: Option<u64>,
    /// Whether its payload may be anything
    #[serde(default, alias = "no-claims")]
    pub(crate) no_claims: bool,
}

impl Verify {
    /// Reads the keys with the algorithms that are allowed.
    ///
    /// # Errors
    ///
    /// What is wrong with the set or the names.
    pub(crate) fn keys(&self, kept: &mut Lately<Trusted>) -> Result<Rc<Trusted>> {
        kept.read(&self.jwks, self.alg.as_deref(), Trusted::read)
    }

    /// Verifies the token and returns its payload.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub(crate) fn verify(&self, kept: &mut Lately<Trusted>, now: Duration) -> Result<Vec<u8>> {
        if self.no_claims && (self.issuer.is_some() || self.audience.is_some()) {
            bail!("without claims there is no issuer and no audience");
        }
        let verified = self.keys(kept)?.verify(&text(&self.token)?)?;
        let first = verified.first().context("the message has no signature")?;
        for signed in &verified {
            self.expect_typ(signed)?;
        }
        if !self.no_claims {
            self.judge(first, self.at.map_or(now, Duration::from_secs))?;
        }
        Ok(first.payload().to_vec())
    }

    fn expect_typ(&self, signed: &Verified) -> Result<()> {
        match &self.typ {
            Some(typ) if !signed.header().is_typ(typ) => {
                bail!("the header's `typ` is not the one that is expected")
            }
            Some(_) | None => Ok(()),
        }
    }

    fn judge(&self, signed: &Verified, now: Duration) -> Result<()> {
        if !signed.header().is_payload_encoded() {
            bail!("a token has no `b64` (RFC 7797 §7)");
        }
        let claims = signed.claims()?;
        claims.alive(now, Duration::ZERO)?;
        if let Some(issuer) = &self.issuer {
            claims.issued_by(issuer)?;
        }
        if let Some(audience) = &self.audience {
            claims.meant_for(audience)?;
        }
        Ok(())
    }
}

/// The keys of a set, and the algorithms that are allowed.
#[derive(Debug)]
pub(crate) struct Trusted {
    signatures: JwkSet<PublicKey>,
    macs: JwkSet<MacKey>,
    allowed: Option<Vec<JwsAlgorithm>>,
}

impl Trusted {
    fn read(jwks: &Value, allowed: Option<&[String]>) -> Result<Self> {
        let (mut signatures, mut macs) = (SignatureAlgorithm::ALL.to_vec(), MacAlgorithm::ALL.to_vec());
        let allowed = allowed.map(read_names).transpose()?;
        if let Some(allowed) = &allowed {
            signatures.retain(|algorithm| allowed.contains(&JwsAlgorithm::Signature(*algorithm)));
            macs.retain(|algorithm| allowed.contains(&JwsAlgorithm::Mac(*algorithm)));
        }
        let (signatures, macs) = (JwkSet::from_value(jwks, &signatures)?, JwkSet::from_value(jwks, &macs)?);
        Ok(Self { signatures, macs, allowed })
    }

    /// Verifies each signature whose key the set has; there is at least one, and none is wrong.
    fn verify(&self, text: &str) -> Result<Vec<Verified>> {
        let (mut verified, mut stranger) = (Vec::new(), None);
        for signature in signatures(text)? {
            match self.verify_one(signature) {
                Ok(signed) => verified.push(signed?),
                Err(reason) => stranger = stranger.or(Some(reason)),
            }
        }
        match stranger {
            Some(reason) if verified.is_empty() => Err(reason),
            Some(_) | None => Ok(verified),
        }
    }

    /// Finds a signature's key, and verifies it with that key.
    fn verify_one(&self, signature: Compact<'_>) -> Result<Result<Verified, jws::Error>> {
        let algorithm = signature.header().algorithm();
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&algorithm)) {
            bail!("the header's `alg` is {algorithm}, which is not among those allowed");
        }
        match algorithm {
            JwsAlgorithm::Signature(algorithm) => {
                let key = find(&self.signatures, signature.header().kid(), algorithm)?;
                Ok(signature.verify(key))
            }
            JwsAlgorithm::Mac(algorithm) => {
                let key = find(&self.macs, signature.header().kid(), algorithm)?;
                Ok(signature.verify_mac(key))
            }
        }
    }
}

fn read_names(names: &[String]) -> Result<Vec<JwsAlgorithm>> {
    if names.is_empty() {
        bail!("no algorithm is allowed");
    }
    names.iter().map(|name| name.parse().with_context(|| format!("--alg {name:?}"))).collect()
}

/// Reads a message in one of its three serializations.
fn signatures(text: &str) -> Result<Vec<Compact<'_>>> {
    let text = text.trim_start();
    if text.starts_with('{') {
        return Ok(jws::parse_json(text, MOST)?);
    }
    if text.split('.').take(6).count() == 5 {
        bail!("the token is encrypted: decrypt it first, and verify what comes out");
    }
    Ok(vec![Compact::parse(text, MOST)?])
}
