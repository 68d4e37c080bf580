//! Sets of imported keys as tables.

use crate::credential::Rejection;
use crate::imported::{PreparedSet, PresentedText, read_digest};
use crate::key_set::{Digest, Encoding, KeySet, NotAKeySet, Part, Source};
use crate::key_string::Malformed;
use crate::secret::{Pepper, Peppers, Secret};

fn peppers() -> Peppers {
    Peppers::new(Pepper::new(1, &Secret::new([1; 32])), Vec::new())
}

#[test]
fn a_declaration_that_recognises_nothing_or_too_much_is_refused() {
    let declared = |prefix: &str, header: Option<&str>| {
        KeySet::new(prefix, header, Digest::Sha256, Part::Key).map(|set| set.header)
    };
    assert_eq!(declared("acme_", None), Ok(None));
    assert_eq!(declared("", Some("X-Acme-Key")), Ok(Some("x-acme-key".into())));
    assert_eq!(declared("", Some("apikey-key")), Ok(Some("apikey-key".into())));
    for prefix in ["", "a", "acme key", "ä_", "a,b", &"a".repeat(33)] {
        assert_eq!(declared(prefix, None), Err(NotAKeySet::Prefix), "{prefix}");
    }
    for prefix in ["cs", "cs_", "cs_live_", "cs_x"] {
        assert_eq!(declared(prefix, None), Err(NotAKeySet::Reserved), "{prefix}");
    }
    for header in
        ["authorization", "cookie", "host", "x-api-key", "x-forwarded-for", "x_acme_key", "x acme", ""]
    {
        assert_eq!(declared("acme_", Some(header)), Err(NotAKeySet::Header), "{header}");
    }
}

#[test]
fn a_set_claims_only_what_is_its_own() {
    let usual = KeySet::new("acme_", None, Digest::Sha256, Part::Key).unwrap();
    let own = KeySet::new("", Some("X-Acme-Key"), Digest::Sha256, Part::Key).unwrap();
    for (set, source, text, expected) in [
        (&usual, Source::Usual, "acme_1", true),
        (&usual, Source::Usual, "acme_", false),
        (&usual, Source::Usual, "Acme_1", false),
        (&usual, Source::Header("x-acme-key"), "acme_1", false),
        (&usual, Source::Anywhere, "acme_1", true),
        (&own, Source::Usual, "anything", false),
        (&own, Source::Header("x-acme-key"), "anything", true),
        (&own, Source::Header("x-other-key"), "anything", false),
    ] {
        assert_eq!(set.claims(source, text), expected, "{set:?} {source:?} {text}");
    }
}

#[test]
fn rfc4648_hashes_are_read_in_their_encoding_and_their_length() {
    let zeros = [0_u8; 32];
    let hex = "00".repeat(32);
    let base64 = "A".repeat(43);
    for (text, encoding, expected) in [
        (hex.as_str(), Encoding::Hex, true),
        (base64.as_str(), Encoding::Base64, true),
        (&format!("{base64}="), Encoding::Base64, true),
        (&format!("{base64}="), Encoding::Base64Url, true),
        (hex.get(1..).unwrap(), Encoding::Hex, false),
        (&"0g".repeat(32), Encoding::Hex, false),
        (&"+0".repeat(32), Encoding::Hex, false),
        (hex.as_str(), Encoding::Base64, false),
        ("", Encoding::Hex, false),
    ] {
        let read = read_digest(text, &Digest::Sha256, encoding);
        assert_eq!(read.as_deref() == Ok(zeros.as_slice()), expected, "{text} {encoding:?}");
    }
    assert!(read_digest(&"00".repeat(32), &Digest::Sha512, Encoding::Hex).is_err());
}

#[test]
fn fips180_4_and_rfc4231_hashes_match_their_published_values() {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    // FIPS 180-4's example "abc".
    let set = KeySet::new("x-", None, Digest::Sha256, Part::Secret).unwrap();
    let set = PreparedSet::new(set, &peppers()).unwrap();
    let found = hex(set.digest(Source::Usual, "x-abc").unwrap());
    assert_eq!(found, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    // RFC 4231 §4.3, test case 2.
    let key = Secret::new(b"Jefe".to_vec());
    let digest = KeySet::sealed_hmac_key(peppers().current(), [7; 12], "x-", None, &key).unwrap();
    let set = KeySet::new("x-", None, digest, Part::Secret).unwrap();
    let set = PreparedSet::new(set, &peppers()).unwrap();
    let found = hex(set.digest(Source::Usual, "x-what do ya want for nothing?").unwrap());
    assert_eq!(found, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

#[test]
fn safety_14_a_sealed_key_opens_only_under_its_pepper_and_for_its_set() {
    let key = Secret::new(b"old pepper".to_vec());
    let sealed = peppers().current().seal([7; 12], &KeySet::binding("x-", None), &key).unwrap();
    let opens = |peppers: &Peppers, prefix: &str| {
        let set = KeySet::new(prefix, None, Digest::HmacSha256(sealed.clone()), Part::Key).unwrap();
        PreparedSet::new(set, peppers).is_some()
    };
    assert!(opens(&peppers(), "x-"));
    assert!(!opens(&peppers(), "y-"), "moved to another row");
    assert!(!opens(&Peppers::new(Pepper::new(1, &Secret::new([2; 32])), Vec::new()), "x-"));
    assert!(!sealed.contains("pepper"));
}

#[test]
fn what_no_foreign_key_can_be_is_refused_before_any_lookup() {
    let presented = |text: &str| PresentedText::new(text, None, Malformed::Shape).err();
    assert_eq!(presented("acme_1"), None);
    for text in ["cs_live_short", "a b", "a\u{7f}", "é", &"a".repeat(513)] {
        assert_eq!(presented(text), Some(Rejection::Malformed(Malformed::Shape)), "{text}");
    }
}
