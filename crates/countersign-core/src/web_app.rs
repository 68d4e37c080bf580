//! Web apps of the installation's own, whose people sign in at the gateway: how they are named, and what browsers keep of them.
//!
//! **Invariant.** A web app is a client that nobody registers: its id follows from its name, so that a route names it before there
//! is one, and every node means the same. It proves itself by no request (`gateway`): the gateway alone redeems what it is given.

use crate::id::{OwnerId, OwnerKind};
use crate::registered::{names, text};

text!(
    /// The name of a web app, as routes write it.
    WebAppName,
    is_name,
    "1 to 32 small letters, digits and dashes"
);

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
}

impl WebAppName {
    /// Returns the client that it is, the same in every installation.
    #[must_use]
    pub fn client(&self) -> OwnerId {
        OwnerId::named(OwnerKind::Client, &format!("web app {self}"))
    }

    /// Returns the name of the cookie that holds a session at it, without `__Host-`.
    #[must_use]
    pub fn cookie(&self) -> String {
        format!("countersign-app-{self}")
    }
}

names! {
    /// What a browser keeps of a session.
    Keeps, "opaque or jwt" {
        /// A text that says nothing.
        Opaque = "opaque",
        /// A short-lived token, which each node verifies by itself.
        Jwt = "jwt",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro of names has no place for it")]
impl Default for Keeps {
    fn default() -> Self {
        Self::Opaque
    }
}

/// A web app that a condition asks people to be signed in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebApp {
    /// Its name.
    pub name: WebAppName,
    /// What browsers keep of its sessions.
    pub keeps: Keeps,
    /// The resource that its sessions are for; `None`: the installation's default one.
    pub audience: Option<Box<str>>,
}
