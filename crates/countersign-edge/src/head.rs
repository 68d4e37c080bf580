//! The heads of HTTP/1.1 requests as raw bytes, for what the parser forgives and others read differently.
//!
//! Noticed are a `#fragment` in a request target (RFC 9112 §3.2 allows none), a line that ends without CR (RFC 9112 §2.2
//! lets a recipient forgive it), `Content-Length` beside `Transfer-Encoding` (RFC 9112 §6.1), a length that is said twice
//! or is none (RFC 9110 §8.6), and any coding but `chunked` (RFC 9112 §7). With each of them a proxy and what stands
//! before or behind it can see different requests.
//!
//! **Invariants.** Every byte of a connection is followed, bodies by their framing, so that each head is seen where it
//! begins and the verdict does not depend on how the bytes arrive. What cannot be followed is a fault, of the request
//! whose bytes come next: after it nothing is followed, and nothing is served.
//!
//! What it does not do: hand on what it reads. The parser does; what the upstream reads is written anew.

use crate::chunks::Chunks;

/// What is wrong with a head, or with the body before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    BareLineFeed,
    Chunk,
    Coding,
    Fragment,
    Length,
    LengthAndCoding,
}

impl Fault {
    /// Returns what the caller is told.
    pub(crate) const fn detail(self) -> &'static str {
        match self {
            Self::BareLineFeed => "A line ends with CR and LF",
            Self::Chunk => "The chunked body before this request does not end properly",
            Self::Coding => "The only transfer coding that is read here is chunked, once",
            Self::Fragment => "A request target has no fragment",
            Self::Length => "Content-Length is one number, once",
            Self::LengthAndCoding => "Content-Length and Transfer-Encoding exclude each other",
        }
    }
}

/// Follows the heads of a connection.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    awaited: Awaited,
    /// The number of the head that is read, or comes next, from 0.
    number: u64,
    target: Scan,
    line: Line,
    begun: bool,
    length: Option<u64>,
    chunked: bool,
}

/// Where the next byte belongs.
#[derive(Debug, Default)]
enum Awaited {
    #[default]
    Head,
    /// A body of which so many bytes are to come.
    Body(u64),
    Chunked(Chunks),
    /// Behind a fault.
    Lost,
}

/// The line that is read.
#[derive(Debug)]
struct Line {
    /// Room for its first bytes, enough for the two fields that matter.
    start: [u8; LINE_START],
    size: usize,
    last: u8,
}

impl Default for Line {
    fn default() -> Self {
        Self { start: [0; LINE_START], size: 0, last: 0 }
    }
}

/// `Transfer-Encoding: chunked`, and `Content-Length:` with the longest number, and room for some blanks.
const LINE_START: usize = 64;

impl Heads {
    /// Reads on, up to the first fault; it belongs to the request of the number beside it.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<(u64, Fault)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.step(rest) {
                Ok(after) => rest = after,
                Err(fault) => {
                    self.awaited = Awaited::Lost;
                    return Some((self.number, fault));
                }
            }
        }
        None
    }

    /// Reads on within one message, and returns what follows.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Fault> {
        match &mut self.awaited {
            Awaited::Lost => Ok(&[]),
            Awaited::Body(left) => {
                let there = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let taken = usize::try_from(*left).ok().filter(|taken| *taken <= bytes.len());
                self.awaited = if *left > there { Awaited::Body(*left - there) } else { Awaited::Head };
                Ok(taken.and_then(|taken| bytes.get(taken..)).unwrap_or_default())
            }
            Awaited::Chunked(chunks) => match chunks.feed(bytes).map_err(|_broken| Fault::Chunk)? {
                Some(taken) => {
                    self.awaited = Awaited::Head;
                    Ok(bytes.get(taken..).unwrap_or_default())
                }
                None => Ok(&[]),
            },
            Awaited::Head => {
                let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
                let (part, after) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
                self.part(part)?;
                Ok(after)
            }
        }
    }

    /// Reads on within a line, or to its end.
    fn part(&mut self, part: &[u8]) -> Result<(), Fault> {
        if matches!(self.target, Scan::Method | Scan::Target) {
            self.target = self.target.feed(part);
        }
        if self.target == Scan::Fragment {
            return Err(Fault::Fragment);
        }
        match self.line.push(part) {
            End::Open => Ok(()),
            End::Bare => Err(Fault::BareLineFeed),
            End::Whole => self.line_ends(),
        }
    }

    fn line_ends(&mut self) -> Result<(), Fault> {
        let line = std::mem::take(&mut self.line);
        if line.size > 2 {
            self.begun = true;
            return self.field(&line);
        }
        if self.begun {
            self.head_ends();
        }
        // RFC 9112 §2.2: empty lines before the request line are skipped; another one ends the head.
        Ok(())
    }

    fn field(&mut self, line: &Line) -> Result<(), Fault> {
        if let Some(value) = line.value("transfer-encoding") {
            let plain = !line.is_cut() && value.eq_ignore_ascii_case(b"chunked");
            // DIVERGES: RFC 9112 §7 lets codings be stacked; no client does, and smugglers do (CVE-2026-2835).
            if !plain || std::mem::replace(&mut self.chunked, true) {
                return Err(Fault::Coding);
            }
        } else if let Some(value) = line.value("content-length") {
            let length = number(value).filter(|_| !line.is_cut()).ok_or(Fault::Length)?;
            // RFC 9110 §8.6 lets equal lengths be taken for one; whoever repeats them has something in mind.
            if self.length.replace(length).is_some() {
                return Err(Fault::Length);
            }
        }
        if self.chunked && self.length.is_some() { Err(Fault::LengthAndCoding) } else { Ok(()) }
    }

    fn head_ends(&mut self) {
        let awaited = match self.length {
            _ if self.chunked => Awaited::Chunked(Chunks::default()),
            None | Some(0) => Awaited::Head,
            Some(length) => Awaited::Body(length),
        };
        *self = Self { awaited, number: self.number + 1, ..Self::default() };
    }
}

/// Reads a length: `1*DIGIT` that fits.
fn number(value: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

/// How a line goes on.
enum End {
    Open,
    Bare,
    Whole,
}

impl Line {
    fn push(&mut self, part: &[u8]) -> End {
        let room = self.start.get_mut(self.size..).unwrap_or_default();
        room.iter_mut().zip(part).for_each(|(kept, byte)| *kept = *byte);
        self.size += part.len();
        let before = match part {
            [.., before, b'\n'] => *before,
            [b'\n'] => self.last,
            [.., last] => {
                self.last = *last;
                return End::Open;
            }
            [] => return End::Open,
        };
        if before == b'\r' { End::Whole } else { End::Bare }
    }

    /// Tells whether only its beginning was kept.
    const fn is_cut(&self) -> bool {
        self.size > LINE_START
    }

    /// Returns the value of the field, if the line is one called `name`.
    fn value(&self, name: &str) -> Option<&[u8]> {
        let kept = self.start.get(..self.size.min(LINE_START))?;
        let (found, value) = kept.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        found.eq_ignore_ascii_case(name.as_bytes()).then_some(value.trim_ascii())
    }
}

/// Reads a request line up to where a fragment would show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Scan {
    #[default]
    Method,
    Target,
    Fragment,
    Done,
}

impl Scan {
    fn feed(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self = match (self, byte) {
                // RFC 9112 §2.2: empty lines before the request line are skipped.
                (Self::Method, b'\r' | b'\n') => Self::Method,
                (Self::Method, b' ') => Self::Target,
                // A method may be any token; what is none, the parser refuses.
                (Self::Method, _) => Self::Method,
                (Self::Target, b'#') => Self::Fragment,
                (Self::Target, b' ' | b'\r' | b'\n') | (Self::Done | Self::Fragment, _) => return Self::Done,
                (Self::Target, _) => Self::Target,
            };
            if self == Self::Fragment {
                return self;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert_eq, proptest};
    use proptest::sample::select;

    use super::{Fault, Heads, Scan};

    #[test]
    fn a_fragment_in_a_request_target_is_seen_in_any_division() {
        for (text, expected) in [
            ("GET /a#b HTTP/1.1\r\n", Scan::Fragment),
            ("\r\nGET /#", Scan::Fragment),
            ("GET /a HTTP/1.1\r\nx: #\r\n", Scan::Done),
            ("GET /a", Scan::Target),
            ("M_X!1 /a#b", Scan::Fragment),
            ("GET /a b#", Scan::Done),
        ] {
            assert_eq!(Scan::Method.feed(text.as_bytes()), expected, "{text}");
            let mut scan = Scan::Method;
            for byte in text.bytes() {
                if matches!(scan, Scan::Method | Scan::Target) {
                    scan = scan.feed(&[byte]);
                }
            }
            assert_eq!(scan, expected, "{text} byte by byte");
        }
    }

    const GOOD: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

    #[track_caller]
    fn check(text: &str, expected: Option<(u64, Fault)>) {
        for step in [1, 2, 3, 17, text.len()] {
            let mut heads = Heads::default();
            let found = text.as_bytes().chunks(step).find_map(|part| heads.feed(part));
            assert_eq!(found, expected, "{text:?} in steps of {step}");
        }
    }

    #[test]
    fn rfc9112_2_2_a_bare_line_feed_is_seen_in_any_division() {
        check(GOOD, None);
        check(&format!("\r\n{GOOD}{GOOD}"), None);
        for text in [
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
        ] {
            check(text, Some((0, Fault::BareLineFeed)));
            check(&format!("{GOOD}{text}"), Some((1, Fault::BareLineFeed)));
        }
    }

    #[test]
    fn rfc9112_6_1_length_and_coding_are_seen_in_any_order_and_case() {
        let both = Some((0, Fault::LengthAndCoding));
        check("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", both);
        check("POST / HTTP/1.1\r\ntransfer-encoding:\tChunked \r\nX: y\r\nCONTENT-LENGTH:5\r\n\r\n", both);
        check("POST / HTTP/1.1\r\nX-Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", None);
    }

    #[test]
    fn rfc9110_8_6_a_length_is_one_number_once() {
        for value in ["", " ", "+5", "-0", "5, 5", "5 5", "5;", "0x5", "5.0", "18446744073709551616", "５"] {
            check(&format!("POST / HTTP/1.1\r\nContent-Length:{value}\r\n\r\n"), Some((0, Fault::Length)));
        }
        let blanks = " ".repeat(80);
        check(&format!("POST / HTTP/1.1\r\nContent-Length:{blanks}5\r\n\r\n"), Some((0, Fault::Length)));
        let twice = "POST / HTTP/1.1\r\nContent-Length: 5\r\nX: y\r\nContent-Length: 5\r\n\r\n";
        check(twice, Some((0, Fault::Length)));
        check("POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n\n#\n", None);
    }

    #[test]
    fn rfc9112_7_the_one_coding_is_chunked() {
        for value in
            ["", "gzip, chunked", "chunked, chunked", "chunked;q=1", "identity", "\"chunked\"", "chunke"]
        {
            check(&format!("POST / HTTP/1.1\r\nTransfer-Encoding:{value}\r\n\r\n"), Some((0, Fault::Coding)));
        }
        let twice = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(twice, Some((0, Fault::Coding)));
    }

    #[test]
    fn a_body_is_no_head() {
        let posted = "POST / HTTP/1.1\r\nContent-Length:  5 \r\n\r\na\n#\n\n";
        check(posted, None);
        check(&format!("{posted}GET /a#b HTTP/1.1\r\n"), Some((1, Fault::Fragment)));
        check(&format!("{posted}{posted}{GOOD}GET / HTTP/1.1\n"), Some((3, Fault::BareLineFeed)));
        check(&format!("{CHUNKED}{posted}{CHUNKED}"), None);
    }

    const CHUNKED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                           2;a=\"b\"\r\n\n\n\r\n00\r\nX-Trailer: a#b\r\n\r\n";

    #[test]
    fn what_follows_a_chunked_body_is_looked_at() {
        check(&CHUNKED.repeat(3), None);
        for (next, fault) in [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", Fault::BareLineFeed),
            ("GET /a#b HTTP/1.1\r\n", Fault::Fragment),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                Fault::LengthAndCoding,
            ),
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", Fault::Length),
        ] {
            check(&format!("{CHUNKED}{next}"), Some((1, fault)));
            check(&format!("{GOOD}{CHUNKED}{CHUNKED}{next}"), Some((3, fault)));
        }
        check(&format!("{GOOD}{}", CHUNKED.replace("00\r\nX", "0\nX")), Some((2, Fault::Chunk)));
    }

    proptest! {
        #[test]
        fn the_verdict_does_not_depend_on_how_bytes_arrive(
            pieces in vec(select(PIECES.to_vec()), 1..8),
            cuts in vec(1..40_usize, 1..60),
        ) {
            let text = pieces.concat();
            let whole = Heads::default().feed(text.as_bytes());
            let (mut heads, mut rest, mut found) = (Heads::default(), text.as_bytes(), None);
            for cut in cuts.iter().cycle() {
                let (part, after) = rest.split_at_checked(*cut).unwrap_or((rest, &[]));
                found = found.or_else(|| heads.feed(part));
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, whole, "{:?} cut at {:?}", text, cuts);
        }
    }

    /// Requests, and parts of some that fit together by chance.
    const PIECES: [&str; 16] = [
        GOOD,
        GOOD,
        CHUNKED,
        CHUNKED,
        "POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\na\n#\n\n",
        "GET /a#b HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\n",
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "\r\n",
        "3\r\nabc\r\n",
        "0\r\n",
        "1;x\r\n#\r\n",
        "\n",
        "\r",
    ];
}
