//! `/v1/users`: persons, the resource owners.

use countersign_core::id::OwnerId;
use countersign_core::ledger::Find as _;
use countersign_core::mailed::Link;
use countersign_core::owner::SwitchOwner;
use countersign_core::password::{Password, PasswordHash, Unfit};
use countersign_core::person::{AmendPerson, DeletePerson, Enrol, ResetPerson, SetRoles, Vouched, visible};
use countersign_core::person_terms::{Profile, Roles, Username};
use countersign_core::question::{FoundPerson, PersonOf};
use countersign_core::reach::reach;
use countersign_core::refusal::Refusal;
use countersign_core::secret::Secret;
use countersign_core::switching::Switch;
use countersign_edge::wire_error::Problem;
use countersign_store::PageRequest;

use crate::app::App;
use crate::call::{Call, member, optional};
use crate::failure::Failure;
use crate::mail_queue::{Job, To};
use crate::pages::language::Locale;
use crate::reply::Reply;
use crate::schema::Page;
use crate::user_json::{
    MailedLink, MembershipView, UserAmend, UserCreate, UserMail, UserReset, UserRoles, UserShown, UserView,
};

pub(crate) async fn create(app: &App, call: Call) -> Result<Reply, Failure> {
    let body: UserCreate = call.json()?;
    let username: Username = member("username", &body.username)?;
    let organisation = optional("organisation", body.organisation.as_ref())?;
    let about = [Some(username.as_str()), body.email.as_deref(), body.name.as_deref()];
    let password = chosen(app, body.password.as_ref(), &about).await?;
    let act = Enrol {
        organisation: organisation.or_else(|| call.permit.principal().organisation()),
        roles: roles(body.roles)?,
        email: optional("email", body.email.as_ref())?,
        vouched: vouched(body.email_verified),
        profile: Profile::try_from(body.profile).map_err(Refusal::from)?,
        name: body.name,
        username,
        password,
    };
    let made = app.perform(&call.permit, &act).await?;
    Reply::created(&UserShown {
        view: UserView::new(&made.owner, &made.person),
        organisations: made.memberships.iter().map(MembershipView::new).collect(),
    })
}

/// Hashes a password that shall be set.
async fn chosen(
    app: &App,
    text: Option<&Secret<String>>,
    about: &[Option<&str>],
) -> Result<Option<PasswordHash>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let about: Vec<_> = about.iter().copied().flatten().collect();
    let least = app.policy.load().people.password_min_length;
    let password = Password::chosen(text, least, &about).map_err(Refusal::from)?;
    if app.is_known(&password).await? {
        return Err(Refusal::from(Unfit::Breached).into());
    }
    app.hash(&password).await.map(Some)
}

fn roles(names: Vec<String>) -> Result<Roles, Failure> {
    let roles = Roles::try_from(names.into_iter().collect::<std::collections::BTreeSet<_>>());
    roles.map_err(|error| Failure::Invalid(format!("the member `roles`: {error}")))
}

const fn vouched(email_verified: bool) -> Vouched {
    if email_verified { Vouched::ByCaller } else { Vouched::ByNobody }
}

pub(crate) async fn list(app: &App, call: Call) -> Result<Reply, Failure> {
    let request = PageRequest { limit: call.limit(), cursor: call.parameter("cursor")? };
    let page = app.store.persons(reach(call.permit.principal()), &request).await?;
    let data: Vec<_> = page.rows.iter().map(|(owner, person)| UserView::new(owner, person)).collect();
    Reply::ok(&Page { data, next_cursor: page.next.map(|next| next.to_string()) })
}

/// Reads the id in the path; what is no id of an owner names nobody.
fn id(call: &Call) -> Result<OwnerId, Failure> {
    call.segment("id").ok_or_else(|| Refusal::UserNotFound.into())
}

async fn find(app: &App, call: &Call) -> Result<FoundPerson, Failure> {
    Ok(visible(&call.permit, app.store.find(PersonOf(id(call)?)).await?)?)
}

pub(crate) async fn show(app: &App, call: Call) -> Result<Reply, Failure> {
    let FoundPerson { owner, person, memberships, .. } = find(app, &call).await?;
    Reply::ok(&UserShown {
        view: UserView::new(&owner, &person),
        organisations: memberships.iter().map(MembershipView::new).collect(),
    })
}

pub(crate) async fn amend(app: &App, call: Call) -> Result<Reply, Failure> {
    let body: UserAmend = call.json()?;
    let act = AmendPerson {
        id: id(&call)?,
        name: body.name,
        email: body.email.map(|email| optional("email", email.as_ref())).transpose()?,
        vouched: vouched(body.email_verified),
        profile: body.profile,
    };
    let next = app.perform(&call.permit, &act).await?;
    Reply::ok(&UserView::new(&next.owner, &next.person))
}

pub(crate) async fn reset(app: &App, call: Call) -> Result<Reply, Failure> {
    let body: UserReset = call.json()?;
    let FoundPerson { owner, person, .. } = find(app, &call).await?;
    let email = person.email.as_ref().map(ToString::to_string);
    let about = [Some(person.username.as_str()), email.as_deref(), Some(owner.name.as_str())];
    let password = chosen(app, body.password.as_ref(), &about).await?;
    let next = app.perform(&call.permit, &ResetPerson { id: owner.id, password }).await?;
    Reply::ok(&UserView::new(&next.owner, &next.person))
}

pub(crate) async fn set_roles(app: &App, call: Call) -> Result<Reply, Failure> {
    let body: UserRoles = call.json()?;
    let organisation = match optional("organisation", body.organisation.as_ref())? {
        Some(organisation) => organisation,
        None => find(app, &call).await?.owner.organisation,
    };
    let act = SetRoles { person: id(&call)?, organisation, roles: body.roles.map(roles).transpose()? };
    match app.perform(&call.permit, &act).await? {
        Some(membership) => Reply::ok(&MembershipView::new(&membership)),
        None => Ok(Reply::nothing()),
    }
}

pub(crate) async fn enable(app: &App, call: Call) -> Result<Reply, Failure> {
    switch(app, &call, Switch::Enabled).await
}

pub(crate) async fn disable(app: &App, call: Call) -> Result<Reply, Failure> {
    switch(app, &call, Switch::Disabled).await
}

/// Switches the owner that the person is.
async fn switch(app: &App, call: &Call, switch: Switch) -> Result<Reply, Failure> {
    let FoundPerson { owner, person, .. } = find(app, call).await?;
    let record = app.perform(&call.permit, &SwitchOwner { id: owner.id, switch }).await?;
    Reply::ok(&UserView::new(&record, &person))
}

pub(crate) async fn delete(app: &App, call: Call) -> Result<Reply, Failure> {
    let FoundPerson { owner, .. } = find(app, &call).await?;
    if owner.disabled_at.is_none() {
        // Whether the caller may is decided there, with all that the owner holds.
        app.perform(&call.permit, &SwitchOwner { id: owner.id, switch: Switch::Disabled }).await?;
    }
    app.perform(&call.permit, &DeletePerson { id: owner.id }).await?;
    Ok(Reply::nothing())
}

/// Has a link mailed.
pub(crate) async fn mail(app: &App, call: Call) -> Result<Reply, Failure> {
    let body: UserMail = call.json()?;
    let FoundPerson { owner, person, .. } = find(app, &call).await?;
    if !app.mail.is_open() {
        let detail = "No mail is sent here: set mail.url, and ask the running server".to_owned();
        return Err(Failure::Refused { problem: Problem::Conflict, detail });
    }
    if person.email.is_none() {
        let detail = "The user has no e-mail address".to_owned();
        return Err(Failure::Refused { problem: Problem::Conflict, detail });
    }
    let link = match body.link {
        MailedLink::Reset => Link::Reset,
        MailedLink::Verify => Link::Verify,
    };
    let locale = person.profile.claims().find(|(claim, _)| *claim == "locale").map(|(_, locale)| locale);
    let locale = Locale::negotiate(locale, None);
    app.mail.ask(Job { to: To::Person(owner.id), link, locale })?;
    Ok(Reply::accepted())
}
