//! Passwords: what may be one, what is stored of it, and the proof that somebody knows it.
//!
//! What is stored is Argon2id (RFC 9106) of an HMAC under the pepper, which never enters the store: whoever steals the
//! store has nothing to guess against. Hashing takes long on purpose: [`Hashing`] and [`Checking`] are plain values, so that
//! a bounded pool does the work.
//!
//! **Invariant.** A [`ProvenPassword`] is made by [`Checking::run`] alone. Checking takes the same work whether there is
//! such a person, or a password of theirs, or not.

use std::fmt;

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use crate::context::Context;
use crate::id::OwnerId;
use crate::secret::{Peppers, Purpose, Secret, SecretHash};

/// The most characters. NIST SP 800-63B-4 §3.1.1.2: at least 64.
pub const MOST: usize = 256;
/// Bytes of a salt (RFC 9106 §3.1).
const SALT: usize = 16;

/// Why a text cannot become a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unfit {
    /// It is on a list of passwords that others have chosen and lost.
    #[error("this password is on a list of known ones: whoever guesses begins with those")]
    Breached,
    /// It says what everybody can read of the person.
    #[error("expected a password that is not the username or the e-mail address")]
    Guessable,
    /// It is too long.
    #[error("expected a password of at most {MOST} characters")]
    TooLong,
    /// It is too short.
    #[error("expected a password of at least {0} characters")]
    TooShort(usize),
}

/// A password as somebody typed it, in the one form in which it is hashed.
pub struct Password(Secret<String>);

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

impl Password {
    /// Takes what was typed to prove something.
    ///
    /// # Errors
    ///
    /// [`Unfit::TooLong`].
    pub fn typed(text: &Secret<String>) -> Result<Self, Unfit> {
        // Four bytes a character, and no more of it is ever looked at.
        if text.expose().len() > 4 * MOST {
            return Err(Unfit::TooLong);
        }
        // RFC 8265 §4.2.1, OpaqueString: spaces beyond ASCII are spaces, and NFC; nothing else is changed.
        let mut form = String::with_capacity(8 * MOST);
        form.extend(text.expose().chars().map(|letter| if is_space(letter) { ' ' } else { letter }).nfc());
        let form = Self(Secret::new(form));
        if form.length() > MOST { Err(Unfit::TooLong) } else { Ok(form) }
    }

    /// Stands in for what was typed and can be no password.
    #[must_use]
    pub fn none() -> Self {
        Self(Secret::new(String::new()))
    }

    /// Takes what was chosen for a new one. `about`: what everybody may know of the person.
    ///
    /// # Errors
    ///
    /// [`Unfit`], but for what a list knows.
    pub fn chosen(text: &Secret<String>, least: usize, about: &[&str]) -> Result<Self, Unfit> {
        let form = Self::typed(text)?;
        if form.length() < least {
            return Err(Unfit::TooShort(least));
        }
        // NIST SP 800-63B-4 §3.1.1.2: no rules of composition, but nothing that is expected.
        let is_known = |known: &&str| known.eq_ignore_ascii_case(form.text());
        if about.iter().any(is_known) { Err(Unfit::Guessable) } else { Ok(form) }
    }

    /// Lends the text to who looks it up in a list.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.expose()
    }

    /// Begins to hash it for keeping.
    pub fn hashing(&self, context: &mut Context<'_>) -> Hashing {
        let mut salt = [0; SALT];
        context.entropy.fill(&mut salt);
        let pepper = context.peppers.current();
        Hashing { keyed: Keyed(pepper.hash(Purpose::Password, self.text())), pepper: pepper.version(), salt }
    }

    /// Begins to compare it with what is stored of a person; `None`: with nothing, for as long.
    #[must_use]
    pub fn checking(&self, peppers: &Peppers, stored: Option<(OwnerId, &PasswordHash)>) -> Checking {
        let pepper = |hash: &PasswordHash| peppers.all().find(|pepper| pepper.version() == hash.pepper);
        let stored = stored.and_then(|(person, hash)| Some((person, hash.clone(), pepper(hash)?)));
        let (pepper, against) = match stored {
            Some((person, hash, pepper)) => (pepper, Some((person, hash))),
            None => (peppers.current(), None),
        };
        Checking { keyed: Keyed(pepper.hash(Purpose::Password, self.text())), against }
    }

    // NIST SP 800-63B-4 §3.1.1.2: each code point counts as one character.
    fn length(&self) -> usize {
        self.text().chars().count()
    }
}

fn is_space(letter: char) -> bool {
    matches!(letter, '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}')
}

/// A password under the pepper.
#[derive(Debug)]
struct Keyed(SecretHash);

/// What is stored of a password: a PHC text (`$argon2id$…`), and the version of the pepper.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
    pepper: u32,
}

impl PasswordHash {
    /// Reads what was stored.
    #[must_use]
    pub const fn stored(text: String, pepper: u32) -> Self {
        Self { text, pepper }
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the version of the pepper.
    #[must_use]
    pub const fn pepper(&self) -> u32 {
        self.pepper
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash(…)")
    }
}

/// Work to be done where it may take long: a password is hashed.
#[derive(Debug)]
pub struct Hashing {
    keyed: Keyed,
    pepper: u32,
    salt: [u8; SALT],
}

/// A password could not be hashed: there is no memory for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a password could not be hashed")]
pub struct NotHashed;

impl Hashing {
    /// Does the work.
    ///
    /// # Errors
    ///
    /// [`NotHashed`].
    pub fn run(self) -> Result<PasswordHash, NotHashed> {
        let hash = argon2().hash_password_with_salt(self.keyed.0.as_bytes(), &self.salt);
        hash.map(|hash| PasswordHash { text: hash.to_string(), pepper: self.pepper }).map_err(|_| NotHashed)
    }
}

/// Work to be done where it may take long: a password is compared with a stored one.
#[derive(Debug)]
pub struct Checking {
    keyed: Keyed,
    against: Option<(OwnerId, PasswordHash)>,
}

impl Checking {
    /// Does the work; `None`: it is not the password, or there is none.
    #[must_use]
    pub fn run(self) -> Option<ProvenPassword> {
        let stored = self.against.as_ref().map_or(DECOY, |(_, hash)| hash.as_str());
        let verified = argon2().verify_password(self.keyed.0.as_bytes(), stored);
        let (person, hash) = self.against?;
        verified.ok().map(|()| ProvenPassword::assertion(person, hash))
    }
}

/// Somebody knows the password of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenPassword {
    person: OwnerId,
    hash: PasswordHash,
}

impl ProvenPassword {
    const fn assertion(person: OwnerId, hash: PasswordHash) -> Self {
        Self { person, hash }
    }

    /// Returns whose it is.
    #[must_use]
    pub const fn person(&self) -> OwnerId {
        self.person
    }

    /// Tells whether this is what is stored: a password that was changed meanwhile proves nothing.
    #[must_use]
    pub fn is(&self, stored: Option<&PasswordHash>) -> bool {
        stored == Some(&self.hash)
    }
}

/// Argon2id with 19 MiB, two passes and one lane: of the settings that the OWASP Password Storage Cheat Sheet holds for
/// equal, the one that leaves most memory to a server that hashes as many at a time as it has cores. It is the default of
/// the crate too.
fn argon2() -> Argon2<'static> {
    Argon2::default()
}

/// What a password is compared with where there is none: of the same cost, and of nothing that a pepper makes.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Y291bnRlcnNpZ24gZGVjb3k$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::{DECOY, Password, PasswordHash, Unfit};
    use crate::id::{OwnerId, OwnerKind};
    use crate::secret::{Pepper, Peppers, Secret};
    use crate::testing::Ground;

    fn typed(text: &str) -> Result<Password, Unfit> {
        Password::typed(&Secret::new(text.to_owned()))
    }

    #[test]
    fn rfc8265_4_2_1_what_is_written_alike_is_one_password() {
        for (one, other, same) in [
            ("caf\u{e9} \u{f6}", "cafe\u{301}\u{a0}o\u{308}", true),
            ("Password", "password", false),
            (" password", "password", false),
            ("\u{fb01}ne", "fine", false),
        ] {
            assert_eq!(typed(one).unwrap().text() == typed(other).unwrap().text(), same, "{one:?} {other:?}");
        }
    }

    #[test]
    fn nist_800_63b_3_1_1_2_length_is_counted_in_characters_and_nothing_else_is_asked() {
        let chosen = |text: &str| {
            Password::chosen(&Secret::new(text.to_owned()), 8, &["ana.example", "ana@example.com"]).err()
        };
        for (text, expected) in [
            ("12345678".to_owned(), None),
            ("1234567".to_owned(), Some(Unfit::TooShort(8))),
            ("\u{1F511}".repeat(8), None),
            ("\u{1F511}".repeat(7), Some(Unfit::TooShort(8))),
            ("\u{1F511}".repeat(256), None),
            ("\u{1F511}".repeat(257), Some(Unfit::TooLong)),
            ("x".repeat(257), Some(Unfit::TooLong)),
            // One composed letter of three, which are counted once composed.
            ("\u{1E69}".repeat(256), None),
            ("        ".to_owned(), None),
            ("Ana@Example.com".to_owned(), Some(Unfit::Guessable)),
            ("ana.example".to_owned(), Some(Unfit::Guessable)),
            ("ana.examples".to_owned(), None),
        ] {
            assert_eq!(chosen(&text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_password_is_proven_by_itself_alone_and_under_its_own_pepper() {
        let mut ground = Ground::new();
        let person = OwnerId::random(OwnerKind::User, &mut ground.entropy);
        let right = typed("correct horse").unwrap();
        let hash = right.hashing(&mut ground.context()).run().unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        let again = right.hashing(&mut ground.context()).run().unwrap();
        assert_ne!(again, hash, "each has a salt of its own");

        let pepper = |version, byte: u8| Pepper::new(version, &Secret::new([byte; 32]));
        let rotated = Peppers::new(pepper(2, 8), vec![pepper(1, 7)]);
        let stolen = Peppers::new(pepper(1, 9), Vec::new());
        let gone = Peppers::new(pepper(2, 8), Vec::new());
        let wrong = typed("correct horse ").unwrap();
        let damaged = PasswordHash::stored("$argon2id$".to_owned(), 1);
        for (peppers, password, stored, expected) in [
            (&*ground.peppers, &right, Some((person, &hash)), true),
            (&*ground.peppers, &wrong, Some((person, &hash)), false),
            (&*ground.peppers, &right, None, false),
            (&*ground.peppers, &right, Some((person, &damaged)), false),
            (&rotated, &right, Some((person, &hash)), true),
            (&stolen, &right, Some((person, &hash)), false),
            (&gone, &right, Some((person, &hash)), false),
        ] {
            let proven = password.checking(peppers, stored).run();
            assert_eq!(proven.is_some(), expected, "{password:?} {stored:?}");
            if let Some(proven) = proven {
                assert_eq!(proven.person(), person);
                assert!(proven.is(Some(&hash)) && !proven.is(Some(&again)) && !proven.is(None));
            }
        }
    }

    #[test]
    fn what_stands_in_for_a_password_costs_as_much_as_one() {
        let mut ground = Ground::new();
        let hash = typed("correct horse").unwrap().hashing(&mut ground.context()).run().unwrap();
        let cost = |text: &str| text.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        let length = |text: &str| text.rsplit('$').next().map(str::len);
        assert_eq!((cost(DECOY), length(DECOY)), (cost(hash.as_str()), length(hash.as_str())));
        let peppers = &ground.peppers;
        assert!(typed("anything").unwrap().checking(peppers, None).run().is_none());
    }

    #[test]
    fn safety_25_neither_a_password_nor_its_hash_prints() {
        let mut ground = Ground::new();
        let password = typed("correct horse").unwrap();
        let hashing = password.hashing(&mut ground.context());
        let hash = PasswordHash::stored("$argon2id$x".to_owned(), 1);
        for text in [format!("{password:?}"), format!("{hashing:?}"), format!("{hash:?}")] {
            assert!(!text.contains("correct") && !text.contains("argon2id"), "{text}");
        }
    }
}
