//! What is told of a person to whom they allowed it (OpenID Connect Core 1.0 §5.4).

use serde_json::{Map, Value};

use crate::question::FoundPerson;
use crate::scope::ScopeSet;

impl FoundPerson {
    /// Returns the claims that `scopes` ask for, without `sub`: those of `profile` and `email`, and with `profile` the
    /// person's roles in each organisation. What is not known is left out (§5.3.2).
    #[must_use]
    pub fn claims(&self, scopes: &ScopeSet) -> Map<String, Value> {
        let mut claims = Map::new();
        if scopes.contains("profile") {
            claims.extend(self.profile());
        }
        if scopes.contains("email")
            && let Some(email) = &self.person.email
        {
            claims.insert("email".to_owned(), email.as_str().into());
            claims.insert("email_verified".to_owned(), self.person.email_verified_at.is_some().into());
        }
        claims
    }

    fn profile(&self) -> impl Iterator<Item = (String, Value)> {
        let kept = self.person.profile.claims().map(|(name, value)| (name.to_owned(), value.into()));
        let roles = self.memberships.iter().map(|one| {
            let roles: Vec<_> = one.roles.names().map(Value::from).collect();
            (one.organisation.to_string(), Value::from(roles))
        });
        // Core §5.1: seconds.
        let updated_at = self.person.updated_at.millis().div_euclid(1000);
        kept.chain([
            ("name".to_owned(), self.owner.name.as_str().into()),
            ("preferred_username".to_owned(), self.person.username.as_str().into()),
            ("updated_at".to_owned(), updated_at.into()),
            ("organisations".to_owned(), Value::Object(roles.collect())),
        ])
    }
}
