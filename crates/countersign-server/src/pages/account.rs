//! The pages of a person's account. Each posts `action`, often `id`, and `request` and `csrf`, to the place where it is shown.

use askama::Template;
use countersign_core::secret::Secret;
use countersign_core::timestamp::Timestamp;

use super::consent::AskedScope;
use super::language::Locale;
use super::sign_in::Elsewhere;
use super::{Bound, Page};

/// A page of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    /// Where somebody is signed in.
    Sessions,
    /// What they allow applications.
    Apps,
    /// Their API keys.
    Keys,
    /// Clients that they registered.
    Clients,
    /// Accounts elsewhere by which they sign in.
    Identities,
    /// Their password.
    Password,
}

impl Tab {
    /// Every page, in the order in which they are listed.
    pub(crate) const ALL: [Self; 6] =
        [Self::Sessions, Self::Apps, Self::Keys, Self::Clients, Self::Identities, Self::Password];

    /// Returns where it is.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Sessions => "/account",
            Self::Apps => "/account/apps",
            Self::Keys => "/account/keys",
            Self::Clients => "/account/clients",
            Self::Identities => "/account/identities",
            Self::Password => "/account/password",
        }
    }

    /// Returns the request that goes on to it.
    pub(crate) fn request(self) -> &'static str {
        self.path().trim_start_matches('/')
    }

    /// Tells whether it is shown to whoever has signed in a short time ago alone: something is made there, or a way in.
    pub(crate) const fn wants_recent(self) -> bool {
        match self {
            Self::Keys | Self::Clients | Self::Identities => true,
            Self::Sessions | Self::Apps | Self::Password => false,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "account-sessions",
            Self::Apps => "account-apps",
            Self::Keys => "account-keys",
            Self::Clients => "account-clients",
            Self::Identities => "account-identities",
            Self::Password => "account-password",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Sessions => "account-sessions-title",
            Self::Apps => "account-apps-title",
            Self::Keys => "account-keys-title",
            Self::Clients => "account-clients-title",
            Self::Identities => "account-identities-title",
            Self::Password => "account-password-title",
        }
    }
}

/// What stands on every page of the account.
#[derive(Debug)]
pub(crate) struct Around<'a> {
    /// What binds the forms.
    pub(crate) bound: Bound<'a>,
    /// Who is signed in.
    pub(crate) user: &'a str,
    /// Which page it is.
    pub(crate) tab: Tab,
    /// The pages that there are.
    pub(crate) tabs: Vec<Tab>,
}

/// Where somebody is signed in.
#[derive(Debug, Template)]
#[template(path = "account_sessions.html")]
pub(crate) struct Sessions<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What stands around it.
    pub(crate) around: Around<'a>,
    /// Sessions here.
    pub(crate) sign_ins: Vec<SessionRow>,
    /// The cursor of further ones.
    pub(crate) more_sign_ins: Option<String>,
    /// Sessions at web apps.
    pub(crate) web_sessions: Vec<SessionRow>,
    /// The cursor of further ones.
    pub(crate) more_web_sessions: Option<String>,
}

/// A session.
#[derive(Debug)]
pub(crate) struct SessionRow {
    /// Its name.
    pub(crate) id: String,
    /// The web app, if it is at one.
    pub(crate) app: Option<String>,
    /// The browser; `None`: it is not known.
    pub(crate) browser: Option<String>,
    /// Whence it began, if that is known.
    pub(crate) address: Option<String>,
    /// Whether it is this browser's.
    pub(crate) is_this: bool,
    /// When it began.
    pub(crate) began_at: Timestamp,
    /// When it was in use last.
    pub(crate) seen_at: Timestamp,
}

impl SessionRow {
    /// Says which browser it is.
    pub(crate) fn browser(&self, locale: &Locale) -> String {
        self.browser.clone().unwrap_or_else(|| locale.tell("unknown-browser"))
    }
}

/// What somebody allows applications.
#[derive(Debug, Template)]
#[template(path = "account_apps.html")]
pub(crate) struct Apps<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What stands around it.
    pub(crate) around: Around<'a>,
    /// The applications.
    pub(crate) apps: Vec<AppRow<'a>>,
    /// The cursor of further ones.
    pub(crate) more: Option<String>,
}

/// What an application is allowed.
#[derive(Debug)]
pub(crate) struct AppRow<'a> {
    /// The name of the grant.
    pub(crate) id: String,
    /// The application's name.
    pub(crate) name: String,
    /// Whether it is the installation's own.
    pub(crate) is_own: bool,
    /// Since when.
    pub(crate) since: Timestamp,
    /// What.
    pub(crate) scopes: Vec<AskedScope<'a>>,
}

/// Somebody's API keys.
#[derive(Debug, Template)]
#[template(path = "account_keys.html")]
pub(crate) struct Keys<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What stands around it.
    pub(crate) around: Around<'a>,
    /// The keys.
    pub(crate) keys: Vec<KeyRow>,
    /// The cursor of further ones.
    pub(crate) more: Option<String>,
    /// What one may be made of; `None`: nobody may make one.
    pub(crate) offer: Option<KeyOffer<'a>>,
    /// What tells a form that is sent twice.
    pub(crate) once: String,
    /// What was wrong.
    pub(crate) wrong: Option<String>,
}

/// An API key.
#[derive(Debug)]
pub(crate) struct KeyRow {
    /// Its name among credentials.
    pub(crate) id: String,
    /// What its owner calls it.
    pub(crate) name: String,
    /// What may be shown of it.
    pub(crate) hint: String,
    /// What it may do.
    pub(crate) scopes: String,
    /// When it was made.
    pub(crate) since: Timestamp,
    /// When it ends.
    pub(crate) ends: Option<Timestamp>,
    /// When it was used last.
    pub(crate) used: Option<Timestamp>,
    /// Whether it can be ended: it has not.
    pub(crate) is_live: bool,
}

/// What a key may be made of.
#[derive(Debug)]
pub(crate) struct KeyOffer<'a> {
    /// What it may do.
    pub(crate) scopes: Vec<AskedScope<'a>>,
    /// How many days it may live.
    pub(crate) days: Vec<u64>,
}

/// Clients that somebody has registered.
#[derive(Debug, Template)]
#[template(path = "account_clients.html")]
pub(crate) struct Clients<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What stands around it.
    pub(crate) around: Around<'a>,
    /// The clients.
    pub(crate) clients: Vec<ClientRow>,
    /// The cursor of further ones.
    pub(crate) more: Option<String>,
    /// What one may be given; `None`: nobody may register one.
    pub(crate) offer: Option<Vec<AskedScope<'a>>>,
    /// What tells a form that is sent twice.
    pub(crate) once: String,
    /// What was wrong.
    pub(crate) wrong: Option<String>,
}

/// A client.
#[derive(Debug)]
pub(crate) struct ClientRow {
    /// Its `client_id`.
    pub(crate) id: String,
    /// What people call it.
    pub(crate) name: String,
    /// Where people are sent back to, a line each.
    pub(crate) redirect_uris: String,
    /// What it may be given.
    pub(crate) scopes: String,
    /// Whether it keeps a secret.
    pub(crate) has_secret: bool,
    /// Whether it works.
    pub(crate) is_live: bool,
}

/// A secret, shown this once.
#[derive(Debug, Template)]
#[template(path = "account_secret.html")]
pub(crate) struct ShownOnce<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What stands around it.
    pub(crate) around: Around<'a>,
    /// What people call what it is of.
    pub(crate) name: &'a str,
    /// The `client_id`, of a client.
    pub(crate) client_id: Option<String>,
    /// The secret; `None`: it was shown before, or there is none.
    pub(crate) secret: Option<&'a Secret<String>>,
    /// What is told of it.
    pub(crate) words: &'static str,
}

/// Accounts elsewhere by which somebody signs in.
#[derive(Debug, Template)]
#[template(path = "account_identities.html")]
pub(crate) struct Identities<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What stands around it.
    pub(crate) around: Around<'a>,
    /// Those that are connected.
    pub(crate) identities: Vec<IdentityRow>,
    /// Where one may be connected.
    pub(crate) elsewhere: &'a [Elsewhere],
    /// What was wrong.
    pub(crate) wrong: Option<&'static str>,
}

/// An account elsewhere.
#[derive(Debug)]
pub(crate) struct IdentityRow {
    /// What the provider is called.
    pub(crate) title: String,
    /// The provider's issuer.
    pub(crate) issuer: String,
    /// The provider's name for them.
    pub(crate) subject: String,
    /// What they recognise it by.
    pub(crate) shown: String,
    /// Since when.
    pub(crate) since: Timestamp,
}

/// Where somebody changes their password.
#[derive(Debug, Template)]
#[template(path = "account_password.html")]
pub(crate) struct ChangePassword<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What stands around it.
    pub(crate) around: Around<'a>,
    /// The least characters.
    pub(crate) least: u64,
    /// What was wrong.
    pub(crate) wrong: Option<String>,
}

impl Page for Sessions<'_> {}
impl Page for Apps<'_> {}
impl Page for Keys<'_> {}
impl Page for Clients<'_> {}
impl Page for Identities<'_> {
    fn leads_to(&self) -> Vec<&str> {
        self.elsewhere.iter().map(|one| &*one.place).collect()
    }
}
impl Page for ShownOnce<'_> {}
impl Page for ChangePassword<'_> {}

/// Writes a time for people, to the minute.
pub(crate) fn minute(at: &Timestamp) -> String {
    let text = at.to_string();
    let day_and_time = text.get(..16).map(|text| text.replace('T', " "));
    day_and_time.map_or(text, |text| format!("{text} UTC"))
}

#[cfg(test)]
mod tests {
    use countersign_core::timestamp::Timestamp;

    use super::minute;

    #[test]
    fn a_time_is_told_to_the_minute_and_says_its_zone() {
        assert_eq!(minute(&Timestamp::from_millis(1_764_583_380_123)), "2025-12-01 10:03 UTC");
    }
}
