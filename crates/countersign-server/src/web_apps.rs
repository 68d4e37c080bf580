//! Which web apps there are, by the routes in force.

use countersign_core::client::Wanted;
use countersign_edge::endpoint::WEB_CALLBACK;

/// The web apps of the routes in force, and where the gateway is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebApps {
    /// The web apps.
    pub apps: Vec<Wanted>,
    /// The gateway's origin, as browsers know it.
    pub origin: String,
}

impl WebApps {
    /// Finds the web app that is named; without a name, the only one.
    pub(crate) fn find(&self, name: Option<&str>) -> Option<&Wanted> {
        match (name, self.apps.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(name), apps) => apps.iter().find(|one| one.app.name.as_str() == name),
        }
    }

    /// Returns where people come back to.
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        format!("{}{}", self.origin, WEB_CALLBACK.path)
    }
}
