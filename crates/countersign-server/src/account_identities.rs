//! `/account/identities`: accounts elsewhere by which somebody signs in here, connected and disconnected.

use countersign_core::account::Purpose;
use countersign_core::federation::{NotLinked, UnlinkIdentity};
use countersign_core::record::{IdentityName, LinkedIdentity};

use crate::account::{Member, Visited, back, form, no_such_action, recent, visit};
use crate::app::App;
use crate::failure::Failure;
use crate::federation;
use crate::identity_provider::Providers;
use crate::pages::account::{Identities, IdentityRow, Tab};
use crate::received::Received;
use crate::reply::Reply;
use crate::visit::{OwnForm, Visit};

const TAB: Tab = Tab::Identities;

/// Shows them.
pub(crate) async fn show(app: &App, received: Received) -> Result<Reply, Failure> {
    let Visited { visit, member, .. } = match visit(app, received, TAB).await? {
        Ok(visited) => visited,
        Err(sign_in) => return Ok(sign_in),
    };
    match recent(app, &visit, &member, TAB) {
        Some(sign_in) => Ok(sign_in),
        None => list(app, &visit, &member, None).await,
    }
}

async fn list(
    app: &App,
    visit: &Visit,
    member: &Member,
    wrong: Option<&'static str>,
) -> Result<Reply, Failure> {
    let linked = app.store.linked_identities(member.session.person).await?;
    let providers = app.providers.load_full();
    Ok(visit.reply(&Identities {
        locale: visit.locale,
        around: member.around(app, visit, TAB),
        identities: linked.iter().map(|one| row(&providers, one)).collect(),
        elsewhere: &providers.elsewhere(),
        wrong,
    }))
}

fn row(providers: &Providers, linked: &LinkedIdentity) -> IdentityRow {
    let LinkedIdentity { name: IdentityName { issuer, subject }, shown, created_at, .. } = linked;
    IdentityRow {
        title: providers.title_of(issuer).unwrap_or(issuer).to_owned(),
        issuer: issuer.clone(),
        subject: subject.clone(),
        shown: shown.clone(),
        since: *created_at,
    }
}

/// Sends somebody to connect one, or disconnects one.
pub(crate) async fn take(app: &App, received: Received) -> Result<Reply, Failure> {
    let (form, member) = match form(app, received, TAB).await? {
        Ok(sent) => sent,
        Err(sign_in) => return Ok(sign_in),
    };
    if let Some(sign_in) = recent(app, &form.visit, &member, TAB) {
        return Ok(sign_in);
    }
    match form.get("action") {
        Some("connect") => {
            let name = form.get("id").unwrap_or_default();
            federation::link(app, &form.head.headers, name, member.session.id).await
        }
        Some("disconnect") => disconnect(app, &form, &member).await,
        Some(_) | None => Err(no_such_action()),
    }
}

async fn disconnect(app: &App, form: &OwnForm, member: &Member) -> Result<Reply, Failure> {
    let text = |name| form.get(name).unwrap_or_default().to_owned();
    let act = UnlinkIdentity {
        identity: IdentityName { issuer: text("issuer"), subject: text("subject") },
        person: member.session.person,
        ways: app.providers.load().issuers(),
    };
    match app.attempt(&member.permit(app, Purpose::Own)?, &act).await? {
        Err(NotLinked::LastWay) => list(app, &form.visit, member, Some("identity-last")).await,
        // What is not theirs, or was disconnected, is not in the list that they see next.
        Ok(())
        | Err(NotLinked::NotTheirs | NotLinked::OfAnother | NotLinked::Theirs | NotLinked::TooMany) => {
            Ok(back(TAB))
        }
    }
}
