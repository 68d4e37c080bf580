//! A provider that speaks OpenID Connect.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::context::Clock;
use countersign_core::federation::{Expected, Freshness, IdToken, ProvenIdentity, Unfit};
use countersign_core::secret::Secret;
use countersign_core::timestamp::Timestamp;
use countersign_egress::client::Egress;
use countersign_egress::published::{Fetched, Fetching, Publication, Published, Source};
use countersign_egress::published_keys::{COOLDOWN, PublishedKeys, StatedKeys};
use countersign_jose::jwk::JwkSet;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue};
use tokio::time::timeout;
use url::Url;
use url::form_urlencoded::Serializer;

use super::answer::{ProviderFailure, body, object, text};
use super::metadata::{Authentication, Discovery, Metadata};
use super::{Caller, Identified, Sent};

/// How long metadata are believed that cannot be fetched again, and how old they may become before they are fetched anew: as keys.
const LIFE: Duration = Duration::from_secs(60 * 60);
const RENEWED_AFTER: Duration = Duration::from_secs(10 * 60);
/// The most bytes of a set of keys: as many as the egress client reads at all; a bound, not a clause.
const MOST_KEYS: usize = 256 * 1024;

/// A provider that speaks OpenID Connect.
pub(super) struct OpenId {
    caller: Caller,
    metadata: Arc<Published<Metadata>>,
    keys: PublishedKeys,
}

impl OpenId {
    pub(super) fn new(caller: Caller, clock: Arc<dyn Clock>) -> Result<Self, url::ParseError> {
        let source = Discovery::new(&caller.known.issuer)?;
        let publication = Publication {
            source: Box::new(source),
            life: LIFE,
            renewed_after: Some(RENEWED_AFTER),
            cooldown: COOLDOWN,
        };
        let metadata = Arc::new(Published::new(publication, caller.egress.clone(), Arc::clone(&clock)));
        let keys = KeysOf { issuer: caller.known.issuer.clone(), metadata: Arc::clone(&metadata) };
        let keys = PublishedKeys::new(Box::new(keys), caller.egress.clone(), clock);
        Ok(Self { caller, metadata, keys })
    }

    /// The request of Core §3.1.2.1.
    pub(super) async fn address(&self, sent: &Sent<'_>) -> Result<String, ProviderFailure> {
        let metadata = known(&self.metadata).await?;
        let mut address = metadata.authorization.clone();
        let Sent { attempt, redirect_uri } = sent;
        let mut query = address.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.caller.known.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &self.caller.scope)
            .append_pair("state", &attempt.state)
            .append_pair("nonce", &attempt.goal.nonce)
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256");
        // Core §2: `auth_time` is required where `max_age` was asked for, and only there.
        match attempt.goal.freshness {
            Freshness::Any => &mut query,
            Freshness::Anew => query.append_pair("prompt", "login").append_pair("max_age", "0"),
            Freshness::Within(seconds) => query.append_pair("max_age", &seconds.to_string()),
        };
        drop(query);
        Ok(address.into())
    }

    /// Tells whether its answers name it (RFC 9207 §3).
    pub(super) async fn says_iss(&self) -> Result<bool, ProviderFailure> {
        Ok(known(&self.metadata).await?.says_iss)
    }

    /// Redeems a code (Core §3.1.3), and judges the ID token.
    pub(super) async fn identify(
        &self,
        sent: &Sent<'_>,
        code: &str,
        now: Timestamp,
    ) -> Result<Identified, ProviderFailure> {
        const ASKED: &str = "the token endpoint";
        let metadata = known(&self.metadata).await?;
        let (headers, form) = self.redemption(&metadata, sent, code)?;
        let answer = self.caller.egress.post(&metadata.token, headers, form).await;
        let mut answer = object(ASKED, &body(ASKED, answer)?)?;
        let id_token = text(ASKED, &mut answer, "id_token")?;
        let token = IdToken::parse(&id_token, &metadata.algorithms)?;
        let key = self.keys.find(token.kid(), token.algorithm()).await;
        let key = key.map_err(|_| ProviderFailure::Unknown("the provider's keys"))?;
        let key = key.map_err(|_| Unfit::Key)?;
        let expected = Expected { provider: &self.caller.known, nonce: &sent.attempt.goal.nonce };
        let identity = token.verify(now, &key, &expected)?;
        let access_token = text(ASKED, &mut answer, "access_token").map(Secret::new).ok();
        let userinfo = metadata.userinfo.clone().zip(access_token);
        Ok(Identified { identity, userinfo })
    }

    fn redemption(
        &self,
        metadata: &Metadata,
        sent: &Sent<'_>,
        code: &str,
    ) -> Result<(HeaderMap, String), ProviderFailure> {
        let (client_id, secret) = (&self.caller.known.client_id, self.caller.client_secret.expose());
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", sent.redirect_uri)
            .append_pair("code_verifier", &sent.attempt.verifier);
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        match metadata.authentication {
            Authentication::Basic => {
                headers.insert(AUTHORIZATION, basic(client_id, secret)?);
            }
            Authentication::Post => {
                form.append_pair("client_id", client_id).append_pair("client_secret", secret);
            }
        }
        Ok((headers, form.finish()))
    }

    /// Asks the userinfo endpoint (Core §5.3): with an access token, `profile` and `email` are told there (§5.4).
    pub(super) async fn learn(
        &self,
        identity: ProvenIdentity,
        (url, token): &(Url, Secret<String>),
    ) -> Result<ProvenIdentity, ProviderFailure> {
        const ASKED: &str = "the userinfo endpoint";
        let answer = self.caller.egress.get(url, bearing(token, "application/json")?).await;
        let claims = object(ASKED, &body(ASKED, answer)?)?;
        Ok(identity.with_userinfo(&claims)?)
    }
}

/// Returns what is known of a provider, fetching it if it is not.
async fn known(metadata: &Arc<Published<Metadata>>) -> Result<Arc<Metadata>, ProviderFailure> {
    match metadata.held() {
        Some(known) => Ok(known),
        None => metadata.ask().await.ok_or(ProviderFailure::Unknown("the provider's metadata")),
    }
}

/// RFC 6749 §2.3.1: both are encoded as in a form first.
fn basic(client_id: &str, secret: &str) -> Result<HeaderValue, ProviderFailure> {
    use base64::Engine as _;
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(client_id), encoded(secret));
    let field = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    sensitive(&field)
}

/// Shows an access token (RFC 6750 §2.1).
pub(super) fn bearing(token: &Secret<String>, accept: &'static str) -> Result<HeaderMap, ProviderFailure> {
    let field = sensitive(&format!("Bearer {}", token.expose()))?;
    Ok(HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept)), (AUTHORIZATION, field)]))
}

fn sensitive(text: &str) -> Result<HeaderValue, ProviderFailure> {
    let why = || "a token that no header field holds".to_owned();
    let mut field = HeaderValue::try_from(text)
        .map_err(|_| ProviderFailure::Answer { asked: "the token endpoint", why: why() })?;
    field.set_sensitive(true);
    Ok(field)
}

/// The keys that stand where the metadata say.
struct KeysOf {
    issuer: String,
    metadata: Arc<Published<Metadata>>,
}

impl Source<JwkSet> for KeysOf {
    fn place(&self) -> &str {
        &self.issuer
    }

    fn fetch<'a>(&'a self, egress: &'a Egress, version: Option<HeaderValue>) -> Fetching<'a, JwkSet> {
        Box::pin(async move {
            let Ok(metadata) = known(&self.metadata).await else {
                return Fetched::Failed("its metadata are not known".to_owned());
            };
            let (url, algorithms) = (metadata.keys.clone(), metadata.algorithms.clone());
            let keys = StatedKeys { url, algorithms, most: MOST_KEYS };
            let fetched = timeout(egress.limits().total, keys.get(egress, version)).await;
            fetched.unwrap_or_else(|_elapsed| Fetched::Failed("no keys within egress.timeout".to_owned()))
        })
    }
}
