//! The JSON of users: what comes in, what goes out.

use std::collections::BTreeMap;
use std::fmt;

use countersign_core::authority::Authority;
use countersign_core::record::{Membership, OwnerRecord, PersonRecord};
use countersign_core::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::schema::{not_null, nullable};

/// Enters a user: a person, the resource owner.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserCreate {
    /// What they sign in as: ASCII, upper and lower case alike; nobody else in the installation has it.
    pub(crate) username: String,
    /// What people call them: 1 to 100 characters. Default: the username.
    #[serde(default, deserialize_with = "not_null")]
    #[schemars(with = "String")]
    pub(crate) name: Option<String>,
    /// The organisation that they belong to. Default: the caller's, for an operator the first one.
    #[serde(default)]
    pub(crate) organisation: Option<String>,
    /// What they are there: names that mean something to the organisation.
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    /// Where they are written to.
    #[serde(default)]
    pub(crate) email: Option<String>,
    /// Whether it is known that they read that; only an operator says so.
    #[serde(default)]
    pub(crate) email_verified: bool,
    /// Standard claims of OpenID Connect Core 1.0 §5.1, such as `given_name`, `locale`, `zoneinfo`, `picture`.
    #[serde(default)]
    pub(crate) profile: BTreeMap<String, String>,
    /// Their first password; without one they cannot sign in until a link was mailed to them, or they are reset.
    #[serde(default, deserialize_with = "secret")]
    #[schemars(with = "Option<String>")]
    pub(crate) password: Option<Secret<String>>,
}

/// Changes a user; what is absent stays, and `null` takes away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserAmend {
    /// The new name.
    #[serde(default, deserialize_with = "not_null")]
    #[schemars(with = "String")]
    pub(crate) name: Option<String>,
    /// The new address, which is not verified; `null`: none.
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) email: Option<Option<String>>,
    /// Whether it is known that they read that; only an operator says so.
    #[serde(default)]
    pub(crate) email_verified: bool,
    /// Claims that change; `null` takes one away.
    #[serde(default)]
    pub(crate) profile: BTreeMap<String, Option<String>>,
}

/// Replaces a user's password, and ends all that was obtained in their name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserReset {
    /// The new password. Default: none.
    #[serde(default, deserialize_with = "secret")]
    #[schemars(with = "Option<String>")]
    pub(crate) password: Option<Secret<String>>,
}

/// Says what a user is in an organisation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserRoles {
    /// Which organisation. Default: the user's own.
    #[serde(default)]
    pub(crate) organisation: Option<String>,
    /// Their roles there, all of them; `null`: they are no member any more.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) roles: Option<Vec<String>>,
}

/// Has a link mailed to a user, in the language of their `locale`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserMail {
    /// What the link is for.
    pub(crate) link: MailedLink,
}

/// What a mailed link is for.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MailedLink {
    /// To choose a new password; good for 30 minutes.
    Reset,
    /// To confirm the address; good for a day.
    Verify,
}

/// Reads what must not be printed; `null` is nothing.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret<String>>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

/// A user as they are listed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UserView {
    /// Their name in the API, the `sub` of their tokens.
    pub(crate) id: String,
    /// What they sign in as.
    pub(crate) username: String,
    /// What people call them.
    pub(crate) name: String,
    /// The organisation that they belong to.
    pub(crate) organisation: String,
    /// Where they are written to.
    pub(crate) email: Option<String>,
    /// Since when it is known that they read that.
    pub(crate) email_verified_at: Option<String>,
    /// What is told of them beside.
    pub(crate) profile: BTreeMap<String, String>,
    /// When their password was set; `null`: they have none.
    pub(crate) password_at: Option<String>,
    /// When they were entered.
    pub(crate) created_at: String,
    /// When they were switched off, if they are.
    pub(crate) disabled_at: Option<String>,
    /// Whose word that was: `owner`, `organisation` or `operator`; nobody less enables them.
    pub(crate) disabled_by: Option<&'static str>,
}

impl UserView {
    pub(crate) fn new(owner: &OwnerRecord, person: &PersonRecord) -> Self {
        Self {
            id: owner.id.to_string(),
            username: person.username.to_string(),
            name: owner.name.clone(),
            organisation: owner.organisation.to_string(),
            email: written(person.email.as_ref()),
            email_verified_at: written(person.email_verified_at),
            profile: person.profile.clone().into(),
            password_at: written(person.password_at),
            created_at: owner.created_at.to_string(),
            disabled_at: written(owner.disabled_at),
            disabled_by: owner.disabled_by.map(Authority::name),
        }
    }
}

fn written(value: Option<impl fmt::Display>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// A user with where they belong.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UserShown {
    /// The user, as they are listed.
    #[serde(flatten)]
    pub(crate) view: UserView,
    /// Where they belong, without what is disabled.
    pub(crate) organisations: Vec<MembershipView>,
}

/// What a user is in an organisation.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MembershipView {
    /// The organisation.
    pub(crate) organisation: String,
    /// Their roles there.
    pub(crate) roles: Vec<String>,
    /// Since when.
    pub(crate) created_at: String,
}

impl MembershipView {
    pub(crate) fn new(membership: &Membership) -> Self {
        Self {
            organisation: membership.organisation.to_string(),
            roles: membership.roles.names().map(str::to_owned).collect(),
            created_at: membership.created_at.to_string(),
        }
    }
}
