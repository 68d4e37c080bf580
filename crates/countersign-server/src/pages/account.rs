//! The pages of a person's account. Each posts `action`, often `id`, and `request` and `csrf`, to the place where it is shown.

use askama::Template;
use countersign_core::timestamp::Timestamp;

use super::consent::AskedScope;
use super::language::Locale;
use super::{Bound, Page};

/// A page of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    /// Where somebody is signed in.
    Sessions,
    /// What they allow applications.
    Apps,
    /// Their password.
    Password,
}

impl Tab {
    /// Every page, in the order in which they are listed.
    pub(crate) const ALL: [Self; 3] = [Self::Sessions, Self::Apps, Self::Password];

    /// Returns where it is.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Sessions => "/account",
            Self::Apps => "/account/apps",
            Self::Password => "/account/password",
        }
    }

    /// Returns the request that goes on to it.
    pub(crate) fn request(self) -> &'static str {
        self.path().trim_start_matches('/')
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "account-sessions",
            Self::Apps => "account-apps",
            Self::Password => "account-password",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Sessions => "account-sessions-title",
            Self::Apps => "account-apps-title",
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
