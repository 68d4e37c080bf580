//! Sessions at web apps, as the issuer keeps them: begun by a code, renewed, looked at, ended. The gateway's side of it is another's.
//!
//! **Invariant.** What a browser has shown is proven before anything is asked that costs: a guess reaches no store.

use countersign_core::client_authentication::OnBehalfOf;
use countersign_core::context::Context;
use countersign_core::exchange::{System, authenticate};
use countersign_core::grant::{Form, GrantError, TokenRequest, parse};
use countersign_core::grants::GRANTS;
use countersign_core::issuing::Issuer;
use countersign_core::ledger::{Ledger as _, Unavailable};
use countersign_core::principal::Principal;
use countersign_core::rejection::Rejection;
use countersign_core::seen_browser::SeenBrowser;
use countersign_core::web_app::WebAppName;
use countersign_core::web_session::{
    EndSession, Regard, Renewal, SessionIssuer, WebSession, presented, renewal,
};

use crate::app::App;
use crate::token::{IssuesBy, issue_by};

/// What a browser has brought back from the issuer.
#[derive(Debug)]
pub(crate) struct Redemption<'a> {
    pub(crate) code: &'a str,
    pub(crate) verifier: &'a str,
    pub(crate) redirect_uri: &'a str,
    /// What the browser had kept of a session before.
    pub(crate) replaces: Option<&'a str>,
    /// The browser.
    pub(crate) browser: SeenBrowser,
}

struct Sessions(Regard);

impl IssuesBy for Sessions {
    type Issued = WebSession;
    type By<'a> = SessionIssuer<'a>;

    fn by<'a>(&self, issuer: Issuer<'a>) -> SessionIssuer<'a> {
        SessionIssuer { issuer, regard: self.0.clone() }
    }
}

/// Begins a session.
///
/// # Errors
///
/// [`Unavailable`]; the answer says why the code is not good.
pub(crate) async fn begin(
    app: &App,
    name: &WebAppName,
    redemption: &Redemption<'_>,
) -> Result<Result<WebSession, GrantError>, Unavailable> {
    let replaces = match redemption.replaces {
        Some(text) => proven(app, text).await?.ok().map(|before| before.family()),
        None => None,
    };
    let request = match code_request(redemption) {
        Ok(request) => request,
        Err(error) => return Ok(Err(error)),
    };
    issued(app, name, &*request, Regard::Begins { replaces, browser: redemption.browser.clone() }).await
}

fn code_request(redemption: &Redemption<'_>) -> Result<Box<dyn TokenRequest>, GrantError> {
    let Redemption { code, verifier, redirect_uri, .. } = *redemption;
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("code_verifier", verifier),
        ("redirect_uri", redirect_uri),
    ];
    let owned = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    parse(GRANTS, &Form::new(owned)?)
}

/// Renews what a browser has shown.
///
/// # Errors
///
/// [`Unavailable`]; the answer says why it is no session any more.
pub async fn renew(
    app: &App,
    name: &WebAppName,
    text: &str,
) -> Result<Result<WebSession, Rejection>, Unavailable> {
    match proven(app, text).await? {
        Ok(renewal) => renewed(app, name, &renewal, Regard::Used).await,
        Err(rejection) => Ok(Err(rejection)),
    }
}

/// Looks at the session of what a browser has shown, which is no use of it.
///
/// # Errors
///
/// As [`renew`].
pub(crate) async fn look(
    app: &App,
    name: &WebAppName,
    text: &str,
) -> Result<Result<WebSession, Rejection>, Unavailable> {
    match proven(app, text).await? {
        Ok(renewal) => renewed(app, name, &renewal, Regard::Looked).await,
        Err(rejection) => Ok(Err(rejection)),
    }
}

/// Ends the session of what a browser has shown, if it is one.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn end(app: &App, text: &str) -> Result<(), Unavailable> {
    if let Ok(renewal) = proven(app, text).await? {
        // Whoever was quicker has ended it too.
        let _ended = app.attempt(&System, &EndSession(renewal)).await?;
    }
    Ok(())
}

async fn renewed(
    app: &App,
    name: &WebAppName,
    renewal: &Renewal,
    regard: Regard,
) -> Result<Result<WebSession, Rejection>, Unavailable> {
    let issued = issued(app, name, renewal, regard).await?;
    Ok(issued.map_err(|_refused| Rejection::EXPIRED))
}

async fn issued(
    app: &App,
    name: &WebAppName,
    request: &dyn TokenRequest,
    regard: Regard,
) -> Result<Result<WebSession, GrantError>, Unavailable> {
    match client(app, name).await? {
        Ok(client) => issue_by(app, &client, request, &Sessions(regard)).await,
        Err(_rejection) => Ok(Err(GrantError::UnauthorizedClient)),
    }
}

/// Proves the web app: the gateway acts for it, in this process.
async fn client(app: &App, name: &WebAppName) -> Result<Result<Principal, Rejection>, Unavailable> {
    let mut entropy = (app.entropy)();
    let policy = app.policy.load_full();
    let mut context = app.context(&policy, entropy.as_mut(), None);
    authenticate(app.store.as_ref(), &mut context, &OnBehalfOf(name)).await
}

/// Proves what a browser has shown, as far as that is possible without looking for the session.
async fn proven(app: &App, text: &str) -> Result<Result<Renewal, Rejection>, Unavailable> {
    let snapshot = app.store.snapshot();
    let Some(presented) = presented(text, &**snapshot) else { return Ok(Err(Rejection::UNRECOGNISED)) };
    let found = app.store.look_up(presented.lookup()).await?;
    app.with_context(None, |context: &mut Context<'_>| renewal(context, presented, found))
}
