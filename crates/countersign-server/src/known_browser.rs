//! Browsers in which somebody has signed in before: what they hold says as whom, so that who guesses from elsewhere does not
//! use up their allowance (the device cookies of OWASP). It proves nobody: a password is asked for all the same.
//!
//! **Invariant.** It counts for one person, and until their password is replaced.

use countersign_core::question::FoundPerson;
use countersign_core::secret::{Peppers, Purpose, Secret, SecretHash};

use crate::app::App;
use crate::cookie::{Cookie, KNOWN};

/// Digits of the name that a browser is given.
const NAME: usize = 32;
/// How long a browser keeps it: a year, more than which browsers cut off or soon will (RFC 6265bis §5.5: 400 days).
const KEPT: u64 = 365 * 24 * 60 * 60;

/// Names a browser in which a person has signed in.
pub(crate) fn cookie(app: &App, person: &FoundPerson) -> Cookie {
    let mut bytes = [0; NAME / 2];
    (app.entropy)().fill(&mut bytes);
    let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let tag =
        hex(&app.store.snapshot().peppers().current().hash(Purpose::KnownBrowser, &bound(&name, person)));
    Cookie { name: KNOWN.into(), value: Secret::new(format!("{name}{tag}")), max_age: Some(KEPT) }
}

/// Returns the name of a browser, if the person has signed in with it.
pub(crate) fn name<'a>(peppers: &Peppers, value: &'a str, person: &FoundPerson) -> Option<&'a str> {
    let (name, tag) = value.split_at_checked(NAME)?;
    let text = bound(name, person);
    let is_ours = |hash: SecretHash| {
        let tagged = aws_lc_rs::constant_time::verify_slices_are_equal(hex(&hash).as_bytes(), tag.as_bytes());
        tagged.is_ok()
    };
    peppers.all().any(|pepper| is_ours(pepper.hash(Purpose::KnownBrowser, &text))).then_some(name)
}

fn bound(name: &str, person: &FoundPerson) -> String {
    format!("{name}\0{}\0{}", person.owner.id, person.owner.generation)
}

fn hex(hash: &SecretHash) -> String {
    hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
