//! What a request carries: one pass over its head, no judgement.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use crate::good_signatures::Reading;
use crate::imported_set::Source;
use crate::key_string::KEY_HEADER;
use crate::rejection::Rejection;
use crate::token::TokenDigest;

/// The certificate that a peer was verified by at the handshake.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The certificate, DER (RFC 5280 §4.1).
    pub der: Box<[u8]>,
    /// Its SHA-256, as in `x5t#S256` (RFC 8705 §3.1).
    pub thumbprint: [u8; 32],
}

impl PeerCertificate {
    /// Takes the certificate that a handshake has verified.
    #[must_use]
    pub fn new(der: &[u8]) -> Self {
        let mut thumbprint = [0; 32];
        thumbprint.copy_from_slice(digest(&SHA256, der).as_ref());
        Self { der: der.into(), thumbprint }
    }
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PeerCertificate").finish_non_exhaustive()
    }
}

/// What is known of a connection; one for all of its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The address of the peer; `None` for a local socket.
    pub peer: Option<IpAddr>,
    /// The name that the peer asked for at the handshake (RFC 6066 §3).
    pub server_name: Option<Box<str>>,
    /// The peer's certificate, if it was asked for one and proved it.
    pub certificate: Option<PeerCertificate>,
    /// The version of HTTP that is spoken.
    pub version: Version,
}

/// Knows which texts the declared sets of imported keys claim.
pub trait DeclaredSets: Sync {
    /// Tells whether a set claims `text`, which was found at `source`.
    fn claims(&self, source: Source<'_>, text: &str) -> bool;

    /// Tells whether `issuer` is the one whose tokens are ours: an `iss` that selects, before anything is believed.
    fn is_issuer(&self, issuer: &str) -> bool;

    /// Tells whether a route takes tokens of this foreign issuer: an `iss` that selects, before anything is believed.
    fn takes_tokens_of(&self, _issuer: &str) -> bool {
        false
    }

    /// Returns what the text with this digest says, if it was read before and found well signed.
    fn read_before(&self, _digest: &TokenDigest) -> Option<Reading> {
        None
    }
}

/// Where no key is imported.
#[derive(Debug, Clone, Copy)]
pub struct NoSets;

impl DeclaredSets for NoSets {
    fn claims(&self, _: Source<'_>, _: &str) -> bool {
        false
    }

    fn is_issuer(&self, _: &str) -> bool {
        false
    }
}

/// Reads a field's value as text: many characters at once, since tokens are long.
fn ascii(value: &HeaderValue) -> Option<&str> {
    str::from_utf8(value.as_bytes()).ok().filter(|text| text.is_ascii())
}

/// The whole head of a request. A body comes later, and only where somebody asks for it.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target.
    pub target: &'a Uri,
    /// The header fields as received.
    pub headers: &'a HeaderMap,
    /// The connection that it came over.
    pub connection: &'a Arc<Connection>,
    /// Further header fields that carry keys: those of imported sets.
    pub key_fields: &'a [HeaderName],
    /// Which texts are imported keys.
    pub sets: &'a dyn DeclaredSets,
    /// The session token that stands for what the browser has sent, if there is one.
    pub session: Option<&'a str>,
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RequestHead").field("method", &self.method).finish_non_exhaustive()
    }
}

/// How a value is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `Authorization: Basic` (RFC 7617).
    Basic,
    /// `Authorization: Bearer` (RFC 6750 §2.1).
    Bearer,
    /// By the connection's certificate (RFC 8705).
    Certificate,
    /// In a cookie (RFC 6265).
    Cookie,
    /// `Authorization: DPoP`, with its proof (RFC 9449 §7.1).
    Dpop,
    /// `X-API-Key`, or the field of an imported set.
    KeyField,
    /// By a session token, which an edge keeps or has read from a cookie.
    Session,
    /// In the signature fields of a webhook.
    Signature,
    /// Told rather than carried: to the verify API, in a report of leaked keys, at introspection.
    Told,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 9] = [
        Self::Basic,
        Self::Bearer,
        Self::Certificate,
        Self::Cookie,
        Self::Dpop,
        Self::KeyField,
        Self::Session,
        Self::Signature,
        Self::Told,
    ];

    /// Tells whether the platform sends it along, not the caller for this request. Then it counts only where a route
    /// lists a kind that reads it.
    #[must_use]
    pub const fn is_ambient(self) -> bool {
        match self {
            Self::Certificate | Self::Cookie | Self::Session | Self::Signature => true,
            Self::Basic | Self::Bearer | Self::Dpop | Self::KeyField | Self::Told => false,
        }
    }
}

/// A value that may be a credential.
#[derive(Clone, Copy)]
pub enum Carried<'a> {
    /// The credentials of the `Basic` scheme.
    Basic(&'a str),
    /// A bearer token.
    Bearer(&'a str),
    /// A connection with a verified certificate; a kind may keep it.
    Certificate(&'a Arc<Connection>, &'a PeerCertificate),
    /// A cookie.
    Cookie {
        /// Its name.
        name: &'a str,
        /// Its value.
        value: &'a str,
    },
    /// A token that is bound to a key, and the proof of that key.
    Dpop {
        /// The token.
        token: &'a str,
        /// The proof.
        proof: &'a str,
    },
    /// A text in a header field for keys.
    KeyField {
        /// The field, in lower case.
        field: &'a str,
        /// The text.
        text: &'a str,
    },
    /// The session token that stands for what a browser has sent.
    Session(&'a str),
    /// The signatures of a message.
    Signature {
        /// The message's id.
        id: &'a str,
        /// Its signatures.
        signatures: &'a str,
    },
    /// A text that somebody tells.
    Told(&'a str),
}

impl<'a> Carried<'a> {
    /// Returns how it is carried.
    #[must_use]
    pub const fn way(&self) -> Way {
        match self {
            Self::Basic(_) => Way::Basic,
            Self::Bearer(_) => Way::Bearer,
            Self::Certificate(..) => Way::Certificate,
            Self::Cookie { .. } => Way::Cookie,
            Self::Dpop { .. } => Way::Dpop,
            Self::KeyField { .. } => Way::KeyField,
            Self::Session(_) => Way::Session,
            Self::Signature { .. } => Way::Signature,
            Self::Told(_) => Way::Told,
        }
    }

    /// Returns the text of what may be a key, and where it was found; `None`: keys are not carried so.
    #[must_use]
    pub fn key(&self) -> Option<(&'a str, Source<'a>)> {
        match *self {
            Self::Bearer(text) => Some((text, Source::Usual)),
            Self::KeyField { field: KEY_HEADER, text } => Some((text, Source::Usual)),
            Self::KeyField { field, text } => Some((text, Source::Header(field))),
            Self::Told(text) => Some((text, Source::Anywhere)),
            Self::Basic(_)
            | Self::Certificate(..)
            | Self::Cookie { .. }
            | Self::Dpop { .. }
            | Self::Session(_)
            | Self::Signature { .. } => None,
        }
    }
}

/// Says how, never what: a derived one would print secrets.
impl fmt::Debug for Carried<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Carried({:?})", self.way())
    }
}

impl<'a> RequestHead<'a> {
    /// Returns the one credential of `Authorization` and the key fields.
    ///
    /// # Errors
    ///
    /// [`Rejection::AMBIGUOUS`] for more than one, [`Rejection::UNRECOGNISED`] for a scheme that is not known.
    pub fn explicit(&self) -> Result<Option<Carried<'a>>, Rejection> {
        let headers = self.headers;
        let declared = self.key_fields.iter().map(HeaderName::as_str);
        let fields = std::iter::once(KEY_HEADER).chain(declared);
        let mut keys =
            fields.flat_map(|field| headers.get_all(field).iter().map(move |value| (field, value)));
        let mut authorization = headers.get_all(AUTHORIZATION).iter();
        // RFC 6750 §2: clients MUST NOT use more than one method to transmit the token in each request.
        match (authorization.next(), keys.next()) {
            (None, None) => Ok(None),
            (Some(value), None) if authorization.next().is_none() => self.authorization(value).map(Some),
            (None, Some((field, value))) if keys.next().is_none() => {
                let text = ascii(value).ok_or(Rejection::UNRECOGNISED)?.trim();
                Ok(Some(Carried::KeyField { field, text }))
            }
            (Some(_), _) | (None, Some(_)) => Err(Rejection::AMBIGUOUS),
        }
    }

    /// Reads the credentials of `Authorization` (RFC 9110 §11.6.2; the scheme's name is case-insensitive, §11.1).
    fn authorization(&self, value: &'a HeaderValue) -> Result<Carried<'a>, Rejection> {
        let text = ascii(value).ok_or(Rejection::UNRECOGNISED)?;
        let (scheme, text) = text.split_once(' ').ok_or(Rejection::UNRECOGNISED)?;
        let text = text.trim();
        if text.is_empty() {
            return Err(Rejection::UNRECOGNISED);
        }
        let carried = if scheme.eq_ignore_ascii_case("bearer") {
            Carried::Bearer(text)
        } else if scheme.eq_ignore_ascii_case("basic") {
            Carried::Basic(text)
        } else if scheme.eq_ignore_ascii_case("dpop") {
            Carried::Dpop { token: text, proof: self.dpop_proof()? }
        } else {
            return Err(Rejection::UNRECOGNISED);
        };
        // `Bearer a, Bearer b` is one field line with two credentials: a proxy joined them.
        // All of it is looked at in any case: the compiler takes many characters at once.
        let separators = text.bytes().map(|byte| u64::from(matches!(byte, b' ' | b','))).sum::<u64>();
        if separators == 0 { Ok(carried) } else { Err(Rejection::AMBIGUOUS) }
    }

    /// RFC 9449 §4.3 (1): there is not more than one DPoP field.
    fn dpop_proof(&self) -> Result<&'a str, Rejection> {
        let mut proofs = self.headers.get_all("dpop").iter();
        match (proofs.next(), proofs.next()) {
            (Some(proof), None) => proof.to_str().map_err(|_| Rejection::UNRECOGNISED),
            (None, _) => Err(Rejection::UNRECOGNISED),
            (Some(_), Some(_)) => Err(Rejection::AMBIGUOUS),
        }
    }

    /// Walks what is carried without being presented for this request.
    pub fn ambient(&self) -> impl Iterator<Item = Carried<'a>> + use<'a> {
        let (headers, connection) = (self.headers, self.connection);
        let certificate = connection.certificate.as_ref().map(|one| Carried::Certificate(connection, one));
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|text| text.split("; ")).filter_map(|pair| pair.split_once('='));
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let signature = text("webhook-id").zip(text("webhook-signature"));
        certificate
            .into_iter()
            .chain(pairs.map(|(name, value)| Carried::Cookie { name, value }))
            .chain(self.session.map(Carried::Session))
            .chain(signature.map(|(id, signatures)| Carried::Signature { id, signatures }))
    }
}
