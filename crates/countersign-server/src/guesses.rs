//! How often passwords may be guessed, without a stranger locking anybody out (OWASP ASVS 5.0 §6.3.1).
//!
//! An attempt takes one of each allowance that it falls under, before anything is hashed, and gets it back when it succeeds:
//! that of its address, that of its address and what was typed together, and that of what was typed alone. A browser in which
//! the person has signed in before holds a token of ours and has an allowance of its own instead: whoever guesses from
//! elsewhere uses up nothing of it (the device cookies of OWASP).
//!
//! **Invariant.** What is answered, and when, depends on what was typed and whence, never on whether there is such a person. So
//! a person's username and their address are counted apart: one count for both would tell strangers whose address it is.
//! Memory is fixed: an allowance is a slot of a table that everything is hashed into, under a key of this process. Two that
//! share a slot share an allowance, and nobody can choose with whom.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_core::timestamp::Monotonic;

use crate::throttle::network;

/// Slots of each table; 512 KiB.
const SLOTS: usize = 1 << 16;

/// What a hash is cut to.
const SLOTS_MASK: u64 = (1 << 16) - 1;

/// Of an address: a whole office behind one, or a list of stolen passwords. Thirty at once, then one every ten seconds.
const OF_ADDRESS: Pace = Pace { most: 30, every: Duration::from_secs(10) };
/// Of a username at an address: five at once, then one a minute.
const OF_BOTH: Pace = Pace { most: 5, every: Duration::from_secs(60) };
/// Of what somebody is called, from everywhere but known browsers: fifty at once, then five an hour. Who has a username and an
/// address is guessed at twice as often: a hundred at once (NIST SP 800-63B-4 §3.2.2).
const OF_NAME: Pace = Pace { most: 50, every: Duration::from_secs(720) };
/// Letters to a username: three at once, then one every ten minutes.
const OF_MAILBOX: Pace = Pace { most: 3, every: Duration::from_secs(600) };
/// Letters from an address: ten at once, then one a minute.
const OF_SENDER: Pace = Pace { most: 10, every: Duration::from_secs(60) };
/// Of a browser that is known: ten at once, then one a minute.
const OF_BROWSER: Pace = Pace { most: 10, every: Duration::from_secs(60) };

/// The allowances.
#[derive(Debug)]
pub struct Guesses {
    by: RandomState,
    addresses: Table,
    both: Table,
    usernames: Table,
    browsers: Table,
    mailboxes: Table,
    senders: Table,
}

/// Who tries, and as whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    /// Whence; `None`: from this machine.
    pub(crate) address: Option<IpAddr>,
    /// As whom, as it was typed.
    pub(crate) username: &'a str,
    /// What names the browser, if the person has signed in with it before.
    pub(crate) browser: Option<&'a str>,
}

/// What an attempt has taken.
#[derive(Debug)]
#[must_use]
pub(crate) struct Taken<'a>(Vec<&'a Slot>);

impl Default for Guesses {
    fn default() -> Self {
        Self {
            by: RandomState::new(),
            addresses: Table::new(OF_ADDRESS),
            both: Table::new(OF_BOTH),
            usernames: Table::new(OF_NAME),
            browsers: Table::new(OF_BROWSER),
            mailboxes: Table::new(OF_MAILBOX),
            senders: Table::new(OF_SENDER),
        }
    }
}

impl Guesses {
    /// Takes what an attempt needs, or nothing; else returns how long to wait.
    pub(crate) fn take(&self, attempt: Attempt<'_>, now: Monotonic) -> Result<Taken<'_>, Duration> {
        if let Some(browser) = attempt.browser {
            // It is the person's, by whichever of their names they are called.
            return self.all(&[(&self.browsers, self.by.hash_one(browser))], now);
        }
        let username = attempt.username.to_ascii_lowercase();
        let address = attempt.address.map(network);
        self.all(
            &[
                (&self.addresses, self.by.hash_one(address)),
                (&self.both, self.by.hash_one((address, &username))),
                (&self.usernames, self.by.hash_one(&username)),
            ],
            now,
        )
    }

    /// Takes what a letter needs that anybody may ask for, for good; else returns how long to wait.
    pub(crate) fn take_letter(&self, attempt: Attempt<'_>, now: Monotonic) -> Result<(), Duration> {
        let sender = self.by.hash_one(attempt.address.map(network));
        let mailbox = self.by.hash_one(attempt.username.to_ascii_lowercase());
        self.all(&[(&self.senders, sender), (&self.mailboxes, mailbox)], now).map(|_taken| ())
    }

    fn all<'a>(&self, asked: &[(&'a Table, u64)], now: Monotonic) -> Result<Taken<'a>, Duration> {
        let mut taken = Vec::with_capacity(asked.len());
        for (table, hash) in asked {
            match table.take(*hash, now) {
                Ok(slot) => taken.extend(slot),
                Err(wait) => {
                    Taken(taken).give_back();
                    return Err(wait);
                }
            }
        }
        Ok(Taken(taken))
    }
}

impl Taken<'_> {
    /// Gives it all back: whoever knows the password has guessed nothing.
    pub(crate) fn give_back(self) {
        for slot in self.0 {
            slot.at.fetch_sub(slot.every, Ordering::AcqRel);
        }
    }
}

/// So many at once, and one more every so often.
#[derive(Debug, Clone, Copy)]
struct Pace {
    most: u32,
    every: Duration,
}

/// Allowances of one kind.
#[derive(Debug)]
struct Table {
    slots: Box<[Slot]>,
    /// How far ahead of now an allowance may be used up, in milliseconds.
    ahead: i64,
}

/// One allowance: the instant at which all of it is there again (GCRA).
#[derive(Debug)]
struct Slot {
    at: AtomicI64,
    every: i64,
}

impl Table {
    fn new(pace: Pace) -> Self {
        let every = i64::try_from(pace.every.as_millis()).unwrap_or(i64::MAX);
        let slots = (0..SLOTS).map(|_| Slot { at: AtomicI64::new(i64::MIN / 2), every }).collect();
        Self { slots, ahead: every.saturating_mul(i64::from(pace.most)) }
    }

    /// Takes one.
    fn take(&self, hash: u64, Monotonic(now): Monotonic) -> Result<Option<&Slot>, Duration> {
        let Some(slot) = usize::try_from(hash & SLOTS_MASK).ok().and_then(|index| self.slots.get(index))
        else {
            return Ok(None);
        };
        let next = |at: i64| {
            let next = at.max(now).saturating_add(slot.every);
            (next.saturating_sub(now) <= self.ahead).then_some(next)
        };
        match slot.at.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) {
            Ok(_) => Ok(Some(slot)),
            Err(at) => {
                let wait = at.saturating_add(slot.every).saturating_sub(now).saturating_sub(self.ahead);
                Err(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_core::timestamp::Monotonic;

    use super::{Attempt, Guesses};

    /// Fails so many times, and returns how many were let through.
    fn fail(
        guesses: &Guesses,
        times: usize,
        address: &str,
        username: &str,
        browser: Option<&str>,
        millis: i64,
    ) -> usize {
        let address = Some(address.parse().unwrap());
        let attempt = Attempt { address, username, browser };
        (0..times).filter(|_| guesses.take(attempt, Monotonic(millis)).is_ok()).count()
    }

    #[test]
    fn asvs_6_3_1_guessing_slows_down_for_an_address_an_account_and_both() {
        let guesses = Guesses::default();
        assert_eq!(fail(&guesses, 9, "192.0.2.1", "ana", None, 0), 5, "one account from one address");
        assert_eq!(fail(&guesses, 9, "192.0.2.1", "ANA", None, 59_999), 0, "whatever the case");
        assert_eq!(fail(&guesses, 9, "192.0.2.1", "ana", None, 60_000), 1);
        let stuffed: usize =
            (0..60).map(|n| fail(&guesses, 1, "192.0.2.2", &format!("user{n}"), None, 60_000)).sum();
        assert_eq!(stuffed, 30, "many accounts from one address");
        let spread: usize =
            (0..250).map(|n| fail(&guesses, 1, &format!("198.51.100.{n}"), "bo", None, 60_000)).sum();
        assert_eq!(spread, 50, "one name from everywhere: an account has two");
    }

    #[test]
    fn asvs_6_3_1_a_stranger_who_guesses_locks_nobody_out_of_a_browser_that_is_known() {
        let guesses = Guesses::default();
        for n in 0..250 {
            fail(&guesses, 9, &format!("198.51.100.{n}"), "ana", None, 0);
        }
        assert_eq!(fail(&guesses, 1, "192.0.2.1", "ana", None, 0), 0);
        assert_eq!(fail(&guesses, 20, "192.0.2.1", "ana", Some("browser"), 0), 10, "it has its own");
        let both =
            ["ana", "ana@example.com"].map(|name| fail(&guesses, 9, "192.0.2.1", name, Some("another"), 0));
        assert_eq!(both, [9, 1], "by whichever name");
    }

    #[test]
    fn whoever_knows_the_password_is_not_slowed_down_and_neither_are_those_beside_them() {
        let guesses = Guesses::default();
        let attempt = Attempt { address: None, username: "ana", browser: None };
        for _ in 0..500 {
            guesses.take(attempt, Monotonic(0)).unwrap().give_back();
        }
        let held: Vec<_> = (0..9).map(|_| guesses.take(attempt, Monotonic(0))).collect();
        assert_eq!(held.iter().filter(|taken| taken.is_ok()).count(), 5, "many at a time are many");
        assert_eq!(held.last().unwrap().as_ref().unwrap_err(), &Duration::from_secs(60));
    }

    #[test]
    fn what_is_refused_takes_nothing() {
        let guesses = Guesses::default();
        assert_eq!(fail(&guesses, 1000, "192.0.2.1", "ana", None, 0), 5);
        let others: usize = (0..60).map(|n| fail(&guesses, 1, "192.0.2.1", &format!("u{n}"), None, 0)).sum();
        assert_eq!(others, 25, "of the address, only what was let through");
    }
}
