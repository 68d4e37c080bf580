//! Pages that tell what was done.

use askama::Template;

use super::Page;
use super::language::Locale;

/// Tells what was done.
#[derive(Debug, Template)]
#[template(path = "notice.html")]
pub(crate) struct Notice {
    /// The language.
    pub(crate) locale: Locale,
    /// What was done.
    pub(crate) kind: NoticeKind,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoticeKind {
    /// A device was connected.
    DeviceAllowed,
    /// A device was not connected.
    DeviceDenied,
    /// An address was confirmed.
    EmailVerified,
    /// A password was replaced.
    PasswordChanged,
    /// A link was sent, if there is somebody to send it to.
    ResetSent,
    /// The person is signed out.
    SignedOut,
}

impl NoticeKind {
    const fn title(self) -> &'static str {
        match self {
            Self::DeviceAllowed => "notice-device-allowed",
            Self::DeviceDenied => "notice-device-denied",
            Self::EmailVerified => "notice-email-verified",
            Self::PasswordChanged => "notice-password-changed",
            Self::ResetSent => "notice-reset-sent",
            Self::SignedOut => "notice-signed-out",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::DeviceAllowed => "notice-device-allowed-words",
            Self::DeviceDenied => "notice-device-denied-words",
            Self::EmailVerified => "notice-email-verified-words",
            Self::PasswordChanged => "notice-password-changed-words",
            Self::ResetSent => "notice-reset-sent-words",
            Self::SignedOut => "notice-signed-out-words",
        }
    }
}

impl Page for Notice {}
