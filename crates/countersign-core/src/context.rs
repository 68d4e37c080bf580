//! What a decision may know beside its arguments: the time, entropy, the peppers and the operator's policy.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use crate::entropy::{Entropy, SeededEntropy};
use crate::secret::Peppers;
use crate::self_service::SelfService;
use crate::timestamp::{Monotonic, Timestamp};

/// The least characters of a password, whatever the settings say: what OWASP ASVS 5.0 §6.2.1 has at least.
// DIVERGES: NIST SP 800-63B-4 §3.1.1.2 wants 15 of a password that stands alone; `password.min_length` can.
pub const LEAST_PASSWORD: usize = 8;

/// Where time comes from. The production clock reads the operating system's, in the binary.
pub trait Clock: Send + Sync {
    /// Returns the wall clock.
    fn now(&self) -> Timestamp;

    /// Returns a clock that counts suspension and never goes back (SAFETY 4).
    fn monotonic(&self) -> Monotonic;
}

/// Everything a decision may depend on besides the request and the record.
pub struct Context<'a> {
    /// The wall clock at the start of the request.
    pub now: Timestamp,
    /// Where ids and secrets are drawn from.
    pub entropy: &'a mut dyn Entropy,
    /// The keys under which credentials are hashed.
    pub peppers: &'a Peppers,
    /// What the operator's settings allow.
    pub policy: &'a Policy,
    /// The address of whoever presents a credential, as far as it is known and believed.
    pub address: Option<IpAddr>,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Context")
            .field("now", &self.now)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// The settings that decisions read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The longest life an API key may be given. Default: none.
    pub api_key_max_lifetime: Option<Duration>,
    /// How long a rotated key goes on working when the caller names no overlap. Default: 24 h, the default
    /// that webhook secrets have in the field and enough for a daily deployment.
    pub rotation_overlap: Duration,
    /// How long an `Idempotency-Key` is remembered. Default: 24 h, the day that draft-ietf-httpapi-idempotency-key-header
    /// suggests implementations publish; long enough for any client's retries.
    pub idempotency_window: Duration,
    /// How long a signing key signs before its successor does. Default: 30 days, well below the cryptoperiod of one to three
    /// years that NIST SP 800-57 part 1, table 1, gives private signature keys.
    pub signing_key_lifetime: Duration,
    /// How long a signing key is published before it signs. Default: 24 h: longer than anybody should keep a JWK Set.
    pub signing_key_published: Duration,
    /// How long a refresh token is good that is not used. Default: 30 days, after which NIST SP 800-63B-4 §2.1.3 has a person
    /// sign in again at the lowest level.
    pub refresh_idle: Duration,
    /// How long refresh tokens follow each other after one sign-in. Default: 90 days, three times the above: a person who is
    /// never seen again has not to be trusted for ever.
    pub refresh_absolute: Duration,
    /// How long the same answer is given again to a client that proves itself again. Default: 30 s, the time after which
    /// client libraries commonly give up on an answer.
    pub refresh_retry: Duration,
    /// How long a device may wait for a person's word. Default: 10 minutes, the half of what RFC 8628 §3.2 shows: long enough to
    /// fetch a telephone and sign in, too short to send a stranger the code and wait.
    pub device_code_lifetime: Duration,
    /// The most keys that one organisation keeps, ended ones among them. Default: 10,000, some hundred for each of a
    /// tenant's hundred services.
    pub tenant_max_keys: u64,
    /// The most clients and users of one organisation. Default: 10,000.
    pub tenant_max_owners: u64,
    /// The most opaque or encrypted tokens of one client that live at a time. Default: 10,000, eleven a second at the
    /// default lifetime: a client that obtains one when the last ends has one.
    pub client_max_opaque_tokens: u64,
    /// The most opaque or encrypted tokens of one organisation that live at a time. Default: 100,000, some 25 MB on every
    /// node.
    pub tenant_max_opaque_tokens: u64,
    /// What holds for people who sign in.
    pub people: PeoplePolicy,
    /// What holds for sessions at web apps.
    pub web_sessions: WebSessionPolicy,
    /// What people may make for themselves.
    pub self_service: SelfService,
}

/// The settings that decisions about sessions at web apps read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSessionPolicy {
    /// How long a session waits for its next use, to the lifetime of its token. Default: 30 min, as
    /// [`PeoplePolicy::session_idle`].
    pub idle: Duration,
    /// How long a session lives at most. Default: 8 h, as [`PeoplePolicy::session_lifetime`].
    pub lifetime: Duration,
    /// How long a session token is good before it is renewed. Default: 5 min, a third of an access token's life. What ends
    /// one early is known at every request: this bounds how long a session is in use without saying so.
    pub token_lifetime: Duration,
}

impl Default for WebSessionPolicy {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30 * 60),
            lifetime: Duration::from_secs(8 * 60 * 60),
            token_lifetime: Duration::from_secs(5 * 60),
        }
    }
}

/// The settings that decisions about people read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeoplePolicy {
    /// The least characters of a password that is set. Default: 8, the least that OWASP ASVS 5.0 §6.2.1 allows. NIST SP
    /// 800-63B-4 §3.1.1.2 wants 15 where nothing else is asked for.
    pub password_min_length: usize,
    /// A file of passwords that nobody may choose: read by who asks, not by a decision. Default: none.
    pub known_passwords: Option<PathBuf>,
    /// How long a session at the issuer waits for its next use. Default: 30 min, the most that the OWASP Session Management
    /// Cheat Sheet gives applications of low risk.
    pub session_idle: Duration,
    /// How long a session at the issuer lives at most. Default: 8 h, the most that the same sheet gives a working day.
    pub session_lifetime: Duration,
}

impl Default for PeoplePolicy {
    fn default() -> Self {
        Self {
            password_min_length: LEAST_PASSWORD,
            known_passwords: None,
            session_idle: Duration::from_secs(30 * 60),
            session_lifetime: Duration::from_secs(8 * 60 * 60),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            api_key_max_lifetime: None,
            rotation_overlap: Duration::from_secs(24 * 60 * 60),
            idempotency_window: Duration::from_secs(24 * 60 * 60),
            signing_key_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            signing_key_published: Duration::from_secs(24 * 60 * 60),
            refresh_idle: Duration::from_secs(30 * 24 * 60 * 60),
            refresh_absolute: Duration::from_secs(90 * 24 * 60 * 60),
            refresh_retry: Duration::from_secs(30),
            device_code_lifetime: Duration::from_secs(10 * 60),
            tenant_max_keys: 10_000,
            tenant_max_owners: 10_000,
            client_max_opaque_tokens: 10_000,
            tenant_max_opaque_tokens: 100_000,
            people: PeoplePolicy::default(),
            web_sessions: WebSessionPolicy::default(),
            self_service: SelfService::default(),
        }
    }
}
