//! What is asked about persons.

use std::collections::BTreeMap;

use crate::id::OwnerId;
use crate::password::PasswordHash;
use crate::person_terms::{EmailAddress, Profile, Roles, Username};
use crate::record::{Membership, OwnerRecord, PersonRecord};

/// Who says that a person reads what is written to an address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Vouched {
    /// The caller.
    ByCaller,
    /// Nobody yet.
    #[default]
    ByNobody,
}

/// Enters a person.
#[derive(Debug, Clone)]
pub struct Enrol {
    /// What they shall sign in as.
    pub username: Username,
    /// What people call them; `None`: as they sign in.
    pub name: Option<String>,
    /// Where they belong; `None`: to the first organisation.
    pub organisation: Option<OwnerId>,
    /// What they are there.
    pub roles: Roles,
    /// Where they are written to.
    pub email: Option<EmailAddress>,
    /// Who says that they read it.
    pub vouched: Vouched,
    /// What is told of them.
    pub profile: Profile,
    /// Their first password; `None`: they sign in with none.
    pub password: Option<PasswordHash>,
}

/// A person that was entered or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The owner.
    pub owner: OwnerRecord,
    /// The person.
    pub person: PersonRecord,
    /// Where they belong.
    pub memberships: Vec<Membership>,
}

/// Changes what is told of a person; what is `None` stays.
#[derive(Debug, Clone)]
pub struct AmendPerson {
    /// Which one.
    pub id: OwnerId,
    /// What people call them.
    pub name: Option<String>,
    /// Where they are written to; `None` inside: nowhere.
    pub email: Option<Option<EmailAddress>>,
    /// Who says that they read it.
    pub vouched: Vouched,
    /// Claims of theirs; `None` inside takes one away.
    pub profile: BTreeMap<String, Option<String>>,
}

/// Ends everything that a person has obtained, and replaces their password.
#[derive(Debug, Clone)]
pub struct ResetPerson {
    /// Which one.
    pub id: OwnerId,
    /// The new password; `None`: they sign in with none.
    pub password: Option<PasswordHash>,
}

/// Forgets what is registered of a person who is disabled. The owner remains, without a name.
#[derive(Debug, Clone, Copy)]
pub struct DeletePerson {
    /// Which one.
    pub id: OwnerId,
}

/// Says what a person is in an organisation.
#[derive(Debug, Clone)]
pub struct SetRoles {
    /// The person.
    pub person: OwnerId,
    /// The organisation.
    pub organisation: OwnerId,
    /// What they are there; `None`: no member.
    pub roles: Option<Roles>,
}
