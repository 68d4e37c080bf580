//! The pattern language of routes.
//!
//! It has three words. A segment as it is; `{name}` for one segment that is not empty; and at the end `{**}` for any
//! number of segments. `/orders/{**}` also matches `/orders` and `/orders/`: whoever protects what is below a path means
//! the path too.
//!
//! **Invariant.** A pattern that no normal path could match is refused when it is read.

use crate::fold::fold_segment;
use crate::path::NormalPath;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    segments: Vec<Segment>,
    open: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Any,
}

impl Pattern {
    /// Reads a pattern; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix('/').ok_or("does not begin with /")?;
        let (rest, open) = match rest.strip_suffix("{**}") {
            Some("") => return Ok(Self { segments: Vec::new(), open: true }),
            Some(before) => (before.strip_suffix('/').ok_or("has something before {**}")?, true),
            None => (rest, false),
        };
        let segments = rest.split('/').map(Segment::parse).collect::<Result<_, _>>()?;
        let pattern = Self { segments, open };
        pattern.is_reachable().then_some(pattern).ok_or("is not in normal form, so no request would match it")
    }

    /// Tells whether the literals are such as normal paths have.
    fn is_reachable(&self) -> bool {
        let words = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => text.as_str(),
            Segment::Any => "x",
        });
        let path = format!("/{}", words.collect::<Vec<_>>().join("/"));
        // The empty segment after a last slash can have nothing after it.
        if self.open && path.ends_with('/') {
            return false;
        }
        NormalPath::parse(&path).is_ok_and(|normal| normal.is_as_received() && normal.query().is_none())
    }

    /// Returns the pattern of the folded paths.
    pub(crate) fn folded(&self) -> Self {
        let segments = self.segments.iter().flat_map(|segment| match segment {
            Segment::Literal(text) => fold_segment(text).into_iter().map(Segment::Literal).collect(),
            Segment::Any => vec![Segment::Any],
        });
        Self { segments: segments.collect(), open: self.open }
    }

    /// Tells whether the pattern matches a normal path.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
        let fixed = self.segments.iter().all(|segment| match (segment, segments.next()) {
            (Segment::Literal(text), Some(found)) => text == found,
            (Segment::Any, Some(found)) => !found.is_empty(),
            (Segment::Literal(_) | Segment::Any, None) => false,
        });
        fixed && (self.open || segments.next().is_none())
    }

    /// Tells whether a folded pattern matches a folded path, neither of which has empty segments.
    pub(crate) fn matches_folded(&self, path: &str) -> bool {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        let fixed = self.segments.iter().all(|segment| match (segment, segments.next()) {
            (Segment::Literal(text), Some(found)) => text == found,
            (Segment::Any, found) => found.is_some(),
            (Segment::Literal(_), None) => false,
        });
        fixed && (self.open || segments.next().is_none())
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        match name {
            Some("**") => Err("has {**} before its end"),
            Some(name)
                if !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') =>
            {
                Ok(Self::Any)
            }
            Some(_) => Err("has a {name} that is not made of letters, digits and _"),
            None if text.contains(['{', '}', '*', '?']) => {
                Err("has a wildcard that is not a whole segment: write {name} or {**}")
            }
            None => Ok(Self::Literal(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;
    use crate::fold::fold;

    #[track_caller]
    fn check(pattern: &str, path: &str, expected: bool) {
        assert_eq!(Pattern::parse(pattern).unwrap().matches(path), expected, "{pattern} {path}");
    }

    #[test]
    fn a_pattern_matches_whole_segments() {
        for path in ["/orders", "/orders/", "/orders/1", "/orders/1/2/"] {
            check("/orders/{**}", path, true);
            check("/{**}", path, true);
        }
        check("/{**}", "/", true);
        for path in ["/", "/order", "/orders1", "/Orders", "/x/orders"] {
            check("/orders/{**}", path, false);
        }
        for (path, expected) in [("/a/1/b", true), ("/a//b", false), ("/a/1/b/", false), ("/a/1/2/b", false)]
        {
            check("/a/{id}/b", path, expected);
        }
        for (path, expected) in [("/exact", true), ("/exact/", false), ("/exact/x", false), ("/", false)] {
            check("/exact", path, expected);
        }
        check("/", "/", true);
        check("/a/", "/a/", true);
        check("/a/", "/a", false);
    }

    #[test]
    fn a_pattern_that_no_request_could_match_is_refused() {
        for pattern in [
            "",
            "orders",
            "/a//b",
            "/a/../b",
            "/a/{**}/b",
            "/a{**}",
            "/a/*",
            "/a/{b",
            "/a/{}",
            "/a/{b-c}",
            "/a?b",
            "/%61",
            "/a%2fb",
            "/é",
            "/a b",
            "//{**}",
        ] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[track_caller]
    fn check_folded(pattern: &str, path: &str, expected: bool) {
        let folded = Pattern::parse(pattern).unwrap().folded();
        assert_eq!(folded.matches_folded(&fold(path)), expected, "{pattern} {path}");
    }

    #[test]
    fn a_folded_pattern_matches_every_spelling() {
        for pattern in ["/admin/{**}", "/Admin/{**}", "/admin;v=1/{**}", "/admin./{**}"] {
            for path in ["/admin", "/ADMIN/", "/admin/x", "/Admin;a/x/y", "/admin%20"] {
                check_folded(pattern, path, true);
            }
            check_folded(pattern, "/administrator", false);
        }
        for pattern in ["/exact", "/exact/"] {
            for (path, expected) in
                [("/exact", true), ("/exact/", true), ("/EXACT;x", true), ("/exact/x", false)]
            {
                check_folded(pattern, path, expected);
            }
        }
        for (path, expected) in [("/", true), ("/%20", true), ("/...", true), ("/x", false)] {
            check_folded("/", path, expected);
        }
        for (path, expected) in [("/a/1/B", true), ("/a/1/b/", true), ("/a/b", false), ("/a/%20/b", false)] {
            check_folded("/a/{id}/b", path, expected);
        }
        check_folded("/{**}", "/", true);
    }
}
