//! How each type of reason is told to a caller.

use countersign_core::refusal::Refusal;
use countersign_edge::wire_error::Problem;

use crate::failure::Failure;

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { problem: problem(&refusal), detail: refusal.to_string() }
    }
}

const fn problem(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::ClientNotFound
        | Refusal::GrantNotFound
        | Refusal::NotFound
        | Refusal::OwnerNotFound
        | Refusal::ResourceNotFound
        | Refusal::UserNotFound
        | Refusal::NotAMember => Problem::NotFound,
        Refusal::DisabledAbove(_)
        | Refusal::ExcessAudience(_)
        | Refusal::ExcessClaim(_)
        | Refusal::OperatorsAlone
        | Refusal::UnprovenEmail
        | Refusal::ExcessPrefix(_)
        | Refusal::NotOffered
        | Refusal::ExcessScope(_)
        | Refusal::SetNotDeclared
        | Refusal::Outranked(_) => Problem::Forbidden,
        Refusal::TooManyOwn(_)
        | Refusal::Full(..)
        | Refusal::NoSecret(_)
        | Refusal::ResourceExists
        | Refusal::ResourceInUse(..)
        | Refusal::ResourceOfSettings
        | Refusal::TooManySecrets
        | Refusal::OwnerDisabled
        | Refusal::Revoked
        | Refusal::Superseded
        | Refusal::TooManySets
        | Refusal::UsernameTaken
        | Refusal::UserNotDisabled
        | Refusal::HomeOrganisation
        | Refusal::TakenOver
        | Refusal::HashRefused => Problem::Conflict,
        Refusal::IdempotencyMismatch => Problem::UnprocessableContent,
        Refusal::Addresses
        | Refusal::ClientMetadata(_)
        | Refusal::Resource(_)
        | Refusal::ScopeNotTaken(_)
        | Refusal::UnknownAudience(_)
        | Refusal::Allowances
        | Refusal::EmptyLife
        | Refusal::LifetimeExceedsPolicy(_)
        | Refusal::Password(_)
        | Refusal::Profile(_)
        | Refusal::Name
        | Refusal::ReservedPrefix => Problem::BadRequest,
    }
}
