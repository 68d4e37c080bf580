//! `/account/password`: somebody changes their password.

use countersign_core::account::{ChangePassword, Purpose};
use countersign_core::id::OwnerId;
use countersign_core::ledger::Find as _;
use countersign_core::password::{Password, ProvenPassword};
use countersign_core::question::PersonOf;
use countersign_core::secret::Secret;

use crate::account::{Member, Visited, back, form, visit};
use crate::app::App;
use crate::cookie::{Cookie, SESSION};
use crate::failure::Failure;
use crate::guesses::Attempt;
use crate::pages::account::{ChangePassword as Shown, Tab};
use crate::pages::sign_in::Wrong;
use crate::received::Received;
use crate::reply::Reply;
use crate::sign_in;
use crate::visit::{OwnForm, Visit};

const TAB: Tab = Tab::Password;

/// Asks for both.
pub(crate) async fn show(app: &App, received: Received) -> Result<Reply, Failure> {
    Ok(match visit(app, received, TAB).await? {
        Ok(Visited { visit, member, .. }) => page(app, &visit, &member, None),
        Err(sign_in) => sign_in,
    })
}

fn page(app: &App, visit: &Visit, member: &Member, wrong: Option<String>) -> Reply {
    let least = u64::try_from(app.policy.load().people.password_min_length).unwrap_or(u64::MAX);
    visit.reply(&Shown { locale: visit.locale, around: member.around(app, visit, TAB), least, wrong })
}

/// Takes both. Whoever did that stays signed in here, and nowhere else.
pub(crate) async fn take(app: &App, received: Received) -> Result<Reply, Failure> {
    let (form, member) = match form(app, received, TAB).await? {
        Ok(sent) => sent,
        Err(sign_in) => return Ok(sign_in),
    };
    let locale = form.visit.locale;
    let proof = match proven(app, &form, &member).await? {
        Ok(proof) => proof,
        Err(wrong) => return Ok(page(app, &form.visit, &member, Some(wrong.words(&locale)))),
    };
    let Some(password) = chosen(app, &form, &member).await? else {
        return Ok(page(app, &form.visit, &member, Some(locale.tell("choose-weak"))));
    };
    let act = ChangePassword { proof, password: app.hash(&password).await? };
    app.perform(&member.permit(app, Purpose::Own)?, &act).await?;
    begin_again(app, &form, member.session.person, &password).await
}

/// Takes one attempt, as a sign-in does: a session that was left open is no place to guess.
async fn proven(
    app: &App,
    form: &OwnForm,
    member: &Member,
) -> Result<Result<ProvenPassword, Wrong>, Failure> {
    let attempt = Attempt { address: form.address, username: member.username(), browser: None };
    let taken = match app.guesses.take(attempt, app.clock.monotonic()) {
        Ok(taken) => taken,
        Err(wait) => return Ok(Err(Wrong::Throttled(wait))),
    };
    let typed = Secret::new(form.get("password").unwrap_or_default().to_owned());
    let password = Password::typed(&typed).unwrap_or_else(|_| Password::none());
    Ok(match app.prove(&password, Some(&member.found)).await {
        Ok(Some(proof)) => {
            taken.give_back();
            Ok(proof)
        }
        Ok(None) => Err(Wrong::Credentials),
        Err(_busy) => {
            taken.give_back();
            Err(Wrong::Busy)
        }
    })
}

/// Reads the new one; `None`: it is too weak, or known.
async fn chosen(app: &App, form: &OwnForm, member: &Member) -> Result<Option<Password>, Failure> {
    let typed = Secret::new(form.get("new_password").unwrap_or_default().to_owned());
    let found = &member.found;
    let email = found.person.email.as_ref().map(ToString::to_string).unwrap_or_default();
    let about = [found.person.username.as_str(), email.as_str(), found.owner.name.as_str()];
    let least = app.policy.load().people.password_min_length;
    let Ok(password) = Password::chosen(&typed, least, &about) else { return Ok(None) };
    Ok((!app.is_known(&password).await?).then_some(password))
}

/// Signs in with the new password: the session before has ended with all others.
async fn begin_again(
    app: &App,
    form: &OwnForm,
    person: OwnerId,
    password: &Password,
) -> Result<Reply, Failure> {
    let found = app.store.find(PersonOf(person)).await?;
    let Ok(Some(proof)) = app.prove(password, found.as_ref()).await else { return Ok(back(TAB)) };
    let begun = sign_in::begin(app, form, proof).await?;
    let kept = begun.map(|begun| Cookie { name: SESSION.into(), value: begun.text, max_age: None });
    Ok(kept.iter().fold(back(Tab::Sessions), Reply::with_cookie))
}
