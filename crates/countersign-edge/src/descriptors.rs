//! Descriptors: every connection is one, the process may open so many, and nobody takes the last.
//!
//! **Invariant.** What callers and strangers hold leaves room for the store, for the upstreams and for management:
//! whoever fills a listener does not keep a revocation out.

use rustix::process::{Resource, getrlimit, setrlimit};

/// What the process itself opens beside connections: the database and its readers, a pool of connections to
/// PostgreSQL, listeners, event queues, the log. Counted on a running node of two cores: 35; more cores open more.
const OWN: usize = 128;
/// Connections of the local socket, which the operator's commands use: one each.
const LOCAL: usize = 16;

/// How many connections each kind of peer may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Callers of the gateway, on all of its listeners.
    pub gateway: usize,
    /// Upstreams, all together.
    pub upstreams: usize,
    /// Callers of the issuer.
    pub issuer: usize,
    /// Callers of the management API over the network.
    pub admin: usize,
    /// Commands on the local socket.
    pub local: usize,
}

/// Divides `limit` descriptors. Gateway and upstreams get the same, since each exchange is one of both.
#[must_use]
pub const fn shares(limit: usize) -> Shares {
    // Of a limit that is too small for anything, half is left to connections.
    let own = if limit / 2 < OWN + LOCAL { limit / 2 } else { OWN + LOCAL };
    let eighth = (limit - own) / 8;
    let local = if own / 4 < LOCAL { own / 4 } else { LOCAL };
    Shares { gateway: 3 * eighth, upstreams: 3 * eighth, issuer: eighth, admin: eighth, local }
}

/// Raises the soft limit to the hard one, and returns what then holds. The soft limit is low for the sake of programs
/// that use `select`, which this one does not.
#[must_use]
pub fn raise() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let wanted = rustix::process::Rlimit { current: limit.maximum, ..limit };
        match setrlimit(Resource::Nofile, wanted) {
            Ok(()) => limit = getrlimit(Resource::Nofile),
            Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
        }
    }
    limit.current.map_or(usize::MAX, |current| usize::try_from(current).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::{OWN, shares};

    #[test]
    fn all_shares_together_leave_what_the_process_itself_opens() {
        for limit in [16, 64, 256, 1_024, 4_096, 1_048_576, usize::MAX] {
            let shares = shares(limit);
            let peers = shares.gateway + shares.upstreams + shares.issuer + shares.admin + shares.local;
            let own = OWN.min(limit / 4);
            assert!(peers <= limit - own, "{limit}: {shares:?}");
            assert!(shares.gateway > 0 && shares.admin > 0 && shares.local > 0, "{limit}: {shares:?}");
        }
    }

    #[test]
    fn a_thousand_strangers_leave_room_in_a_limit_of_1024() {
        let shares = shares(1_024);
        assert_eq!((shares.gateway, shares.issuer, shares.admin, shares.local), (330, 110, 110, 16));
    }
}
