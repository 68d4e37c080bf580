//! What a foreign token has proven, and what still tells whether it is good.

use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jws::Header;
use countersign_jose::jwt::Claims;

use crate::own::Own;
use crate::standing::{Standing, Watch};
use crate::timestamp::Timestamp;

/// What a token says of itself.
#[derive(Debug)]
pub(super) struct ForeignEvidence {
    /// Its header.
    pub(super) header: Header,
    /// How it is signed, it says.
    pub(super) algorithm: SignatureAlgorithm,
    /// `iss`.
    pub(super) issuer: String,
    /// Its claims beside it.
    pub(super) claims: Claims,
}

impl Own for ForeignEvidence {}

/// A token is good until it ends: its issuer has no way to say more.
#[derive(Debug)]
pub(super) struct ForeignStanding {
    pub(super) ends_at: Timestamp,
}

impl Standing for ForeignStanding {
    fn end(&self, watch: &Watch<'_>) -> Option<&'static str> {
        if !watch.known.is_fresh(watch.monotonic) {
            return Some("unavailable");
        }
        (self.ends_at <= watch.now).then_some("expired")
    }

    fn note_use(&self, _: Timestamp) -> bool {
        false
    }
}
