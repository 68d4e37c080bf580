//! The path as the most forgiving upstream would read it.
//!
//! Frameworks find one thing under many paths, by default: they ignore case (Express, ASP.NET Core), drop path
//! parameters (Tomcat, Spring), a slash at the end (Express, Django, Spring before 6), and dots and blanks at the end of
//! a name (Windows). Folding does all of it at once, so that two paths which some upstream takes for one fold alike.
//! A delimiter that only shows then, such as a wide `／` or the `..` of `..%20`, is read as what it looks like.
//!
//! **Invariants.** Folding decides nothing and is never forwarded: the exact path is. It is idempotent, and a path that
//! [`is_folded`] says nothing about is its own fold, without a copy.
//!
//! What it does not do: remove format suffixes (`/orders.json`, Rails), which are parts of names elsewhere.

use std::borrow::Cow;

/// Folds a normal path: no empty segments, no slash at the end.
pub(crate) fn fold(path: &str) -> Cow<'_, str> {
    if is_folded(path) {
        return Cow::Borrowed(path);
    }
    let mut segments = Vec::new();
    for segment in path.split('/').flat_map(fold_segment) {
        if segment == PARENT {
            segments.pop();
        } else {
            segments.push(segment);
        }
    }
    Cow::Owned(format!("/{}", segments.join("/")))
}

/// Folds one segment: into none if nothing is left, into several if some reader finds a slash in it.
pub(crate) fn fold_segment(segment: &str) -> Vec<String> {
    let text: String = decoded(segment).chars().map(narrowed).flat_map(lower).collect();
    text.split(['/', '\\']).map(fold_name).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn fold_name(name: &str) -> &str {
    let name = name.split(';').next().unwrap_or_default().trim_matches(is_blank);
    if name == PARENT { name } else { name.trim_end_matches(|letter| letter == '.' || is_blank(letter)) }
}

/// What leads up again (RFC 3986 §3.3). A normal path holds it only in disguise.
const PARENT: &str = "..";

/// Tells whether a path is its own fold, by looking at its bytes.
fn is_folded(path: &str) -> bool {
    let plain = |byte: u8| !matches!(byte, b'A'..=b'Z' | b'%' | b';' | b'+');
    let ends_plainly = path == "/" || !path.ends_with(['/', '.']);
    ends_plainly && path.bytes().all(plain) && !path.contains("./")
}

/// Decodes a segment, and `+` as in forms, which some servers do in paths too.
fn decoded(segment: &str) -> String {
    let mut octets = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((octet, after)) = rest.split_first() {
        let encoded = after.first_chunk().filter(|_| *octet == b'%').and_then(hexadecimal);
        octets.push(encoded.unwrap_or(if *octet == b'+' { b' ' } else { *octet }));
        rest = if encoded.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn hexadecimal(digits: &[u8; 2]) -> Option<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let [high, low] = *digits;
    Some(value(high)? << 4 | value(low)?)
}

/// Writes the wide forms of ASCII (U+FF01 to U+FF5E) as Windows does when it fits them best (CVE-2024-4577).
fn narrowed(letter: char) -> char {
    match letter {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(letter) - 0xFEE0).unwrap_or(letter),
        _ => letter,
    }
}

/// Folds case by way of upper case: `ſ` and `ı` have no lower case, and are `S` and `I` in upper case.
fn lower(letter: char) -> impl Iterator<Item = char> {
    letter.to_uppercase().flat_map(char::to_lowercase)
}

fn is_blank(letter: char) -> bool {
    letter.is_whitespace()
        || letter.is_control()
        || letter == '\u{FEFF}'
        || ('\u{200B}'..='\u{200F}').contains(&letter)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::proptest;

    use super::fold;
    use crate::path::NormalPath;

    #[track_caller]
    fn check(path: &str, expected: &str) {
        assert_eq!(fold(path), expected, "{path}");
        assert_eq!(fold(&fold(path)), expected, "{path} twice");
    }

    #[test]
    fn what_some_upstream_takes_for_one_path_folds_alike() {
        for path in [
            "/admin/users",
            "/ADMIN/users",
            "/Admin/Users",
            "/admin/users/",
            "/admin;a=b/users",
            "/admin;/users;c",
            "/admin%3Ba/users",
            "/admin./users",
            "/admin.../users.",
            "/admin%20/users",
            "/admin+/users+",
            "/admin.%20./users",
            "/%20admin/users%20",
            "/admin;a=b./users",
            "/admin/%20/users",
            "/admin/.;x/users",
            "/%C2%A0admin/users%E3%80%80",
            "/admin%C2%85/users%E2%80%8B",
            "/%EF%BC%A1dmin/u%EF%BD%93ers",
            "/adm%C4%B1n/u%C5%BFers",
        ] {
            check(path, "/admin/users");
        }
    }

    #[test]
    fn what_is_another_path_to_every_upstream_folds_apart() {
        for path in ["/", "/orders/42", "/orders/a.b", "/.well-known/x", "/a:b@c,d", "/a-b_c~d", "/..."] {
            let expected = if path == "/..." { "/" } else { path };
            check(path, expected);
        }
        check("/orders.json", "/orders.json");
        check("/caf%C3%A9", "/café");
        check("/caf%C3%89", "/café");
        check("/100%25", "/100%");
        check("/a%3Fb", "/a?b");
        check("/%E2%84%AA", "/k");
    }

    #[test]
    fn rfc3986_3_3_a_delimiter_in_disguise_is_read_as_what_it_looks_like() {
        for path in [
            "/public/..%20/admin",
            "/public/..%20;x/admin",
            "/public/%EF%BC%8E%EF%BC%8E/admin",
            "/public/%EF%BC%8E%EF%BC%8E%EF%BC%8Fadmin",
            "/public%EF%BC%BC..%EF%BC%BCadmin",
            "/%EF%BC%8Fadmin",
            "/..%20/..%20/admin",
        ] {
            check(path, "/admin");
        }
        check("/a;x%EF%BC%8Fb", "/a/b");
        check("/a/..%20", "/");
    }

    #[test]
    fn a_plain_path_is_not_copied() {
        for path in ["/", "/orders", "/orders/42/lines", "/orders/7f9c2ba4-e88f-4b3e", "/a.b/c"] {
            assert!(matches!(fold(path), Cow::Borrowed(_)), "{path}");
        }
    }

    proptest! {
        #[test]
        fn folding_is_idempotent_but_for_what_it_decodes(target in "/[a-cA-C./;+ ~%205E]{0,24}") {
            if let Ok(path) = NormalPath::parse(&target) {
                let once = fold(path.path()).into_owned();
                if !once.contains(['%', '+']) {
                    assert_eq!(fold(&once), once, "{target}");
                }
            }
        }

        #[test]
        fn no_spelling_of_a_path_escapes_its_fold(
            spelled in proptest::collection::vec((0..6_usize, proptest::bool::ANY), 1..4),
            slash in proptest::bool::ANY,
        ) {
            let segment = |(how, loud): &(usize, bool)| {
                let name = if *loud { "ADMIN" } else { "admin" };
                let after = ["", ";x=1", ".", "%20", "+", "..%20;"].get(*how).copied().unwrap_or_default();
                format!("/{name}{after}")
            };
            let path: String = spelled.iter().map(segment).collect();
            let path = if slash { format!("{path}/") } else { path };
            let path = NormalPath::parse(&path).expect("a normal form");
            assert_eq!(fold(path.path()), "/admin".repeat(spelled.len()));
        }
    }
}
