//! How well a person has proven who they are: the values of `acr` (OpenID Connect Core 1.0 §2).
//!
//! **Invariant.** A value is told of a sign-in only where everything was done that it stands for; whoever insists on another is
//! refused, and never given a lesser one.
//!
//! What it does not do: remember which of several values was asked for. There is one; the second will have to travel with codes.

use std::collections::BTreeSet;

/// An authentication context, and what a sign-in has to hold for it.
#[derive(Debug)]
pub struct AuthenticationContext {
    /// Its name: a URI of a meaning that others know.
    pub acr: &'static str,
    /// The methods that it needs, all of them (RFC 8176 §2).
    methods: &'static [&'static str],
}

/// What sign-ins can reach here, the weakest first.
pub static CONTEXTS: &[AuthenticationContext] = &[
    // SAML 2.0 Authentication Context §3.4.9: "the presentation of a password over a protected session".
    AuthenticationContext {
        acr: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
        methods: &["pwd"],
    },
];

impl AuthenticationContext {
    fn is_reached_by(&self, amr: &[String]) -> bool {
        self.methods.iter().all(|needed| amr.iter().any(|method| method == needed))
    }
}

/// Returns what a sign-in by these methods has reached, at most.
#[must_use]
pub fn acr(amr: &[String]) -> Option<&'static str> {
    CONTEXTS.iter().rfind(|context| context.is_reached_by(amr)).map(|context| context.acr)
}

/// What a client insists on: one of these values, whichever (§5.5.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Essential(pub BTreeSet<String>);

impl Essential {
    /// Tells whether anybody can meet it by signing in here.
    #[must_use]
    pub fn can_be_met(&self) -> bool {
        CONTEXTS.iter().any(|context| self.0.contains(context.acr))
    }

    /// Tells whether a sign-in by these methods meets it.
    #[must_use]
    pub fn is_met_by(&self, amr: &[String]) -> bool {
        acr(amr).is_some_and(|acr| self.0.contains(acr))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{CONTEXTS, Essential, acr};

    #[test]
    fn openid_core_2_a_sign_in_is_told_by_the_context_that_it_has_reached() {
        const PASSWORD: Option<&str> =
            Some("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport");
        for (amr, expected) in
            [(&["pwd"][..], PASSWORD), (&["otp", "pwd"], PASSWORD), (&["otp"], None), (&[], None)]
        {
            let amr: Vec<_> = amr.iter().map(|&method| method.to_owned()).collect();
            assert_eq!(acr(&amr), expected, "{amr:?}");
            let insists = |value: &str| Essential(BTreeSet::from(["phr".to_owned(), value.to_owned()]));
            assert_eq!(insists(CONTEXTS[0].acr).is_met_by(&amr), expected.is_some(), "{amr:?}");
            assert!(!insists("0").is_met_by(&amr), "never another");
        }
    }
}
