//! GitHub, and GitHub Enterprise Server: OAuth 2.0 without ID tokens, and a REST API that says whose a token is.

use countersign_core::federation::GithubUser;
use countersign_core::secret::Secret;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;
use url::form_urlencoded::Serializer;

use super::answer::{ProviderFailure, body, object, text};
use super::openid::bearing;
use super::{Caller, Identified, Sent};

/// The version of the API whose answers are read.
const VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static("2022-11-28"));

/// GitHub.
pub(super) struct Github {
    caller: Caller,
    authorize: Url,
    token: Url,
    user: Url,
    emails: Url,
}

impl Github {
    pub(super) fn new(caller: Caller, web: &Url, api: &Url) -> Result<Self, url::ParseError> {
        let below = |base: &Url, path: &str| format!("{}{path}", base.as_str().trim_end_matches('/')).parse();
        Ok(Self {
            caller,
            authorize: below(web, "/login/oauth/authorize")?,
            token: below(web, "/login/oauth/access_token")?,
            user: below(api, "/user")?,
            emails: below(api, "/user/emails")?,
        })
    }

    pub(super) fn address(&self, sent: &Sent<'_>) -> String {
        let Sent { attempt, redirect_uri } = sent;
        let mut address = self.authorize.clone();
        address
            .query_pairs_mut()
            .append_pair("client_id", &self.caller.known.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &self.caller.scope)
            .append_pair("state", &attempt.state)
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256")
            .append_pair("allow_signup", "false");
        address.into()
    }

    /// Redeems a code, and asks whose the token is.
    pub(super) async fn identify(&self, sent: &Sent<'_>, code: &str) -> Result<Identified, ProviderFailure> {
        const ASKED: &str = "the token endpoint";
        let form = Serializer::new(String::new())
            .append_pair("client_id", &self.caller.known.client_id)
            .append_pair("client_secret", self.caller.client_secret.expose())
            .append_pair("code", code)
            .append_pair("redirect_uri", sent.redirect_uri)
            .append_pair("code_verifier", &sent.attempt.verifier)
            .finish();
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let answer = self.caller.egress.post(&self.token, headers, form).await;
        let mut answer = object(ASKED, &body(ASKED, answer)?)?;
        let token = Secret::new(text(ASKED, &mut answer, "access_token")?);
        let user = self.read("GET /user", &self.user, &token).await?;
        let emails = self.read("GET /user/emails", &self.emails, &token).await?;
        let identity = GithubUser::judge(&self.caller.known, &user, &emails)?;
        Ok(Identified { identity, userinfo: None })
    }

    async fn read(
        &self,
        asked: &'static str,
        url: &Url,
        token: &Secret<String>,
    ) -> Result<bytes::Bytes, ProviderFailure> {
        let mut headers = bearing(token, "application/vnd.github+json")?;
        headers.extend([VERSION]);
        body(asked, self.caller.egress.get(url, headers).await)
    }
}
