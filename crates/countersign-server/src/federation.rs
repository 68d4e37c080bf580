//! `/federation/{name}`: people sign in at somebody else's identity provider, and come back.
//!
//! **Invariants.** What comes back is taken by the attempt alone that this browser keeps (`state`), once, from the provider that it was
//! begun at: each has an address of its own here (mix-up, RFC 9700 §4.4), and its `iss` is compared (RFC 9207 §2.4). What fails signs
//! nobody in.

use countersign_core::account;
use countersign_core::attempt::Attempt;
use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::effect::Effect;
use countersign_core::exchange::System;
use countersign_core::federation::{
    Begun, Freshness, Join, LinkIdentity, NotLinked, ProvenIdentity, Purpose, Recognised, recognise,
};
use countersign_core::id::CredentialId;
use countersign_core::ledger::{Commit, Durable as _, Find as _, Ledger as _};
use countersign_core::record::MarkRecord;
use countersign_core::secret::Purpose as HashPurpose;
use countersign_core::sign_in::{Proof, SignIn};
use countersign_core::standing::Knows as _;
use countersign_edge::cookie::Cookie;
use countersign_edge::form::Form;
use http::{HeaderMap, StatusCode};

use crate::account::{Member, RECENT};
use crate::app::App;
use crate::attempts::Attempts;
use crate::csrf::FormPurpose;
use crate::failure::Failure;
use crate::identity_provider::{Provider, ProviderFailure, Providers, Sent};
use crate::pages::account::Tab;
use crate::pages::problem::ProblemKind;
use crate::received::Received;
use crate::reply::Reply;
use crate::visit::{OwnForm, Told, locale, reference, told_as};
use crate::web_login::{query, see_other};
use crate::{authorize, pages, session, sign_in};

/// The attempts of browsers: RFC 6265 §6.1 has a browser keep 4096 bytes of each, and a request goes with each of ours.
const ATTEMPTS: Attempts = Attempts { prefix: "countersign-federation-", most: 3, longest: 3_800 };
/// Where it all is.
const PLACE: &str = "/federation/";
/// The end of where people come back to.
const CALLBACK: &str = "/callback";

/// Sends somebody to a provider who wants to sign in.
pub(crate) async fn sign_in(app: &App, received: Received) -> Result<Reply, Failure> {
    let name = received.head.uri.path().strip_prefix(PLACE).unwrap_or_default().to_owned();
    let form = OwnForm::receive(app, received, FormPurpose::SignIn).await?;
    let request = form.request().to_owned();
    let freshness = freshness(app, &name, &request)?;
    send(app, &form.head.headers, &name, (Purpose::SignIn(request), freshness)).await
}

/// Sends somebody to a provider who wants to make an identity there theirs, in this session.
pub(crate) async fn link(
    app: &App,
    headers: &HeaderMap,
    name: &str,
    session: CredentialId,
) -> Result<Reply, Failure> {
    send(app, headers, name, (Purpose::Link(session), Freshness::Any)).await
}

/// Says how lately a request wants somebody to have signed in. A page of theirs that wants it is content with a provider that
/// cannot say when: they have just come from there.
fn freshness(app: &App, name: &str, request: &str) -> Result<Freshness, Failure> {
    if !request.is_empty() && !pages::is_own(request) {
        return authorize::freshness(request);
    }
    let is_asked = Tab::ALL.iter().any(|tab| tab.request() == request && tab.wants_recent());
    let says_when = app.providers.load().find(name).is_some_and(Provider::says_when);
    Ok(if is_asked && says_when { Freshness::Within(RECENT.as_secs()) } else { Freshness::Any })
}

async fn send(
    app: &App,
    headers: &HeaderMap,
    name: &str,
    (purpose, freshness): (Purpose, Freshness),
) -> Result<Reply, Failure> {
    let providers = app.providers.load_full();
    let provider = providers.find(name).ok_or_else(no_such_provider)?;
    let known = provider.known.name.clone();
    let (attempt, cookies) =
        ATTEMPTS.begin(app, headers, |context| Begun::attempt(context, known, purpose, freshness))?;
    let redirect_uri = redirect_uri(app, provider);
    let address = provider.address(&Sent { attempt: &attempt, redirect_uri: &redirect_uri }).await;
    let address = address.map_err(|error| {
        failed(app, headers, &Failed { provider, goal: &attempt.goal, cookie: None }, &error)
    })?;
    Ok(cookies.iter().fold(see_other(&address)?, Reply::with_cookie))
}

fn redirect_uri(app: &App, provider: &Provider) -> String {
    format!("{}{PLACE}{}{CALLBACK}", app.issuer_url.trim_end_matches('/'), provider.known.name)
}

fn no_such_provider() -> Failure {
    Failure::Invalid("expected the name of an identity provider of the settings".to_owned())
}

/// Takes a browser back.
pub(crate) async fn finish(app: &App, received: Received) -> Result<Reply, Failure> {
    let address = received.address();
    let (headers, uri) = (received.head.headers, received.head.uri);
    let query = query(&uri)?;
    let state = query.get("state").unwrap_or_default();
    let Some((cookie, attempt)) = ATTEMPTS.find::<Begun>(app, &headers, state) else {
        return Err(not_finished(app, &headers, None, None));
    };
    let providers = app.providers.load_full();
    let Some(provider) = begun_at(&providers, uri.path(), &attempt) else {
        // The attempt of another provider: its answer was sent here by somebody (mix-up).
        return Err(not_finished(app, &headers, Some(&attempt.goal), Some(cookie)));
    };
    let visit = Visit { app, headers: &headers, provider, attempt: &attempt, cookie, address };
    visit.come_back(&query).await
}

/// Finds the provider at whose own address a browser comes back, if the attempt was begun there.
fn begun_at<'p>(providers: &'p Providers, path: &str, attempt: &Attempt<Begun>) -> Option<&'p Provider> {
    let name = path.strip_prefix(PLACE)?.strip_suffix(CALLBACK)?;
    providers.find(name).filter(|_| attempt.goal.provider.as_str() == name)
}

/// Somebody who has come back with an attempt of this browser.
struct Visit<'a> {
    app: &'a App,
    headers: &'a HeaderMap,
    provider: &'a Provider,
    attempt: &'a Attempt<Begun>,
    cookie: String,
    address: Option<std::net::IpAddr>,
}

impl Visit<'_> {
    async fn come_back(&self, query: &Form) -> Result<Reply, Failure> {
        let is_from = self.provider.is_from(query.get("iss")).await.map_err(|error| self.failed(&error))?;
        let Some(code) = query.get("code").filter(|_| is_from && query.get("error").is_none()) else {
            let said = query.get("error").filter(|error| error.len() <= 64).unwrap_or_default();
            tracing::info!(provider = %self.provider.known.name, error = said, is_from, "a provider signs nobody in");
            return Err(self.not_finished());
        };
        let identity = self.identify(code).await?;
        let reply = match &self.attempt.goal.purpose {
            Purpose::SignIn(request) => self.sign_in(request, identity).await?,
            Purpose::Link(session) => self.link(*session, identity).await?,
        };
        Ok(reply.with_cookie(&Cookie::gone(self.cookie.clone())))
    }

    /// Redeems a code, once for each attempt.
    async fn identify(&self, code: &str) -> Result<Found, Failure> {
        let (app, attempt) = (self.app, self.attempt);
        let redirect_uri = redirect_uri(app, self.provider);
        let sent = Sent { attempt, redirect_uri: &redirect_uri };
        let identified = self.provider.identify(&sent, code, app.now()).await;
        let identified = identified.map_err(|error| self.failed(&error))?;
        let fresh = identified.identity.clone().fresh(app.now(), attempt.goal.freshness, attempt.until);
        fresh.map_err(|unfit| self.failed(&unfit.into()))?;
        // Only now: it costs a commit, which nobody can have that no provider knows.
        let text = format!("federation\0{}", attempt.state);
        let lookup = app.store.snapshot().peppers().current().hash(HashPurpose::FirstUse, &text);
        let mark = MarkRecord { lookup, made: String::new(), until: attempt.until };
        match app.store.commit(vec![Effect::Mark(mark)], Vec::new()).await? {
            Commit::Done => {}
            Commit::Lost => return Err(self.not_finished()),
        }
        let found = app.store.find(Join::asked(&identified.identity)).await?;
        match recognise(&identified.identity, &found) {
            Some(recognised) => Ok(Found::Somebodys(Box::new(recognised))),
            None => {
                let learned = self.provider.learn(identified).await.map_err(|error| self.failed(&error))?;
                Ok(Found::Nobodys(Box::new(learned)))
            }
        }
    }

    /// Begins a session of whose identity it is, or becomes.
    async fn sign_in(&self, request: &str, found: Found) -> Result<Reply, Failure> {
        let app = self.app;
        let recognised = match found {
            Found::Somebodys(recognised) => *recognised,
            Found::Nobodys(identity) => match app.attempt(&System, &Join { identity: *identity }).await? {
                Ok(recognised) => recognised,
                Err(_not_joined) => return Err(self.told(ProblemKind::Stranger, StatusCode::FORBIDDEN)),
            },
        };
        let act = SignIn {
            proof: Proof::Identity(Box::new(recognised)),
            incarnation: app.store.snapshot().incarnation(),
            replaces: session::find(app, self.headers).await?,
            browser: session::seen(self.headers, self.address),
        };
        match app.attempt(&System, &act).await? {
            Ok(begun) => sign_in::welcome(request, begun),
            Err(_unproven) => Err(self.told(ProblemKind::Stranger, StatusCode::FORBIDDEN)),
        }
    }

    /// Makes an identity theirs who began this, in the same session.
    async fn link(&self, session: CredentialId, found: Found) -> Result<Reply, Failure> {
        let app = self.app;
        let member = Member::find(app, self.headers).await?.filter(|member| member.session.id == session);
        let Some(member) = member else { return Err(self.not_finished()) };
        let identity = match found {
            Found::Somebodys(recognised) => recognised.identity().clone(),
            Found::Nobodys(identity) => *identity,
        };
        let permit = member.permit(app, account::Purpose::Own)?;
        let act = LinkIdentity { identity, person: member.session.person };
        match app.attempt(&permit, &act).await? {
            Ok(()) | Err(NotLinked::Theirs) => see_other(Tab::Identities.path()),
            Err(NotLinked::OfAnother) => Err(self.told(ProblemKind::Taken, StatusCode::CONFLICT)),
            Err(NotLinked::TooMany | NotLinked::NotTheirs | NotLinked::LastWay) => {
                Err(self.told(ProblemKind::Request, StatusCode::CONFLICT))
            }
        }
    }

    fn failed(&self, error: &ProviderFailure) -> Failure {
        let cookie = Some(self.cookie.clone());
        failed(
            self.app,
            self.headers,
            &Failed { provider: self.provider, goal: &self.attempt.goal, cookie },
            error,
        )
    }

    fn not_finished(&self) -> Failure {
        not_finished(self.app, self.headers, Some(&self.attempt.goal), Some(self.cookie.clone()))
    }

    fn told(&self, kind: ProblemKind, status: StatusCode) -> Failure {
        let again = again(Some(&self.attempt.goal));
        let told = Told { locale: locale(self.headers, again), kind, status, again: Some(again) };
        gone(told_as(&told, &reference(self.app)), Some(self.cookie.clone()))
    }
}

/// Whom a provider has proven.
enum Found {
    /// Somebody who is known here.
    Somebodys(Box<Recognised>),
    /// Somebody else.
    Nobodys(Box<ProvenIdentity>),
}

/// Where something failed.
struct Failed<'a> {
    provider: &'a Provider,
    goal: &'a Begun,
    cookie: Option<String>,
}

/// Tells somebody that the provider failed, and the operator at which check.
fn failed(app: &App, headers: &HeaderMap, place: &Failed<'_>, error: &ProviderFailure) -> Failure {
    let (reference, provider) = (reference(app), &place.provider.known.name);
    tracing::warn!(%reference, %provider, %error, "a sign-in at an identity provider failed");
    let line = AuditEvent::refused(app.now(), "user.sign_in", Actor::UNVERIFIED, error.code());
    app.store.file(line.detail("provider", provider.to_string()).detail("reference", reference.clone()));
    let again = again(Some(place.goal));
    let (locale, status) = (locale(headers, again), error.status());
    let told = Told { locale, kind: ProblemKind::Provider, status, again: Some(again) };
    gone(told_as(&told, &reference), place.cookie.clone())
}

/// Tells somebody that they are not signed in, and where to begin again.
fn not_finished(app: &App, headers: &HeaderMap, goal: Option<&Begun>, cookie: Option<String>) -> Failure {
    let again = again(goal);
    let (locale, status) = (locale(headers, again), StatusCode::BAD_REQUEST);
    let told = Told { locale, kind: ProblemKind::SignIn, status, again: Some(again) };
    gone(told_as(&told, &reference(app)), cookie)
}

/// Where somebody begins again.
fn again(goal: Option<&Begun>) -> &str {
    match goal.map(|goal| &goal.purpose) {
        Some(Purpose::SignIn(request)) if !request.is_empty() => request,
        Some(Purpose::Link(_)) => Tab::Identities.request(),
        Some(Purpose::SignIn(_)) | None => Tab::Sessions.request(),
    }
}

/// Takes the attempt away too: it was used, whatever came of it.
fn gone(reply: Reply, cookie: Option<String>) -> Failure {
    let reply = match cookie {
        Some(cookie) => reply.with_cookie(&Cookie::gone(cookie)),
        None => reply,
    };
    reply.into_response().into()
}
