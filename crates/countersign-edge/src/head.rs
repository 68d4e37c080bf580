//! The heads of HTTP/1.1 requests as raw bytes, for what the parser forgives and others read differently.
//!
//! Three things are noticed: a `#fragment` in a request target (RFC 9112 §3.2 allows none), a line that ends without
//! CR (RFC 9112 §2.2 lets a recipient forgive it), and `Content-Length` beside `Transfer-Encoding` (RFC 9112 §6.1).
//! With each of them a proxy and what stands before or behind it can see different requests.
//!
//! **Invariant.** A fault belongs to one request, by its number on the connection. After a chunked body it is not known
//! here where the next head begins, until the service is done: a request that was pipelined behind one is not looked at.
//!
//! What it does not do: decide where a request ends. The parser does; what the upstream reads is written anew.

/// What is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    BareLineFeed,
    Fragment,
    LengthAndCoding,
}

impl Fault {
    /// Returns what the caller is told.
    pub(crate) const fn detail(self) -> &'static str {
        match self {
            Self::BareLineFeed => "A line ends with CR and LF",
            Self::Fragment => "A request target has no fragment",
            Self::LengthAndCoding => "Content-Length and Transfer-Encoding exclude each other",
        }
    }
}

/// Follows the heads of a connection.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    place: Place,
    /// The number of the head that is read, from 0.
    number: u64,
    target: Scan,
    line: Line,
    begun: bool,
    length: Option<Option<u64>>,
    coded: bool,
}

/// Where the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Head,
    Body(u64),
    Lost,
}

/// The line that is read.
#[derive(Debug, Default)]
struct Line {
    /// Its first bytes, enough for the two fields that matter.
    start: Vec<u8>,
    size: usize,
    last: u8,
}

/// `Content-Length:` with the longest number, and room for the spaces around it.
const LINE_START: usize = 48;

impl Heads {
    /// Tells whether it is unknown where the next head begins.
    pub(crate) fn is_lost(&self) -> bool {
        self.place == Place::Lost
    }

    /// Goes on with the head of request `number`, which the next byte begins.
    pub(crate) fn resume(&mut self, number: u64) {
        *self = Self { number, ..Self::default() };
    }

    /// Reads on, up to the first fault.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<(u64, Fault)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.place {
                Place::Lost => return None,
                Place::Body(left) => {
                    let there = u64::try_from(rest.len()).unwrap_or(u64::MAX);
                    self.place = if left > there { Place::Body(left - there) } else { Place::Head };
                    rest = usize::try_from(left).ok().and_then(|left| rest.get(left..)).unwrap_or_default();
                }
                Place::Head => {
                    let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
                    let (part, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                    rest = after;
                    if let Err(fault) = self.part(part) {
                        self.place = Place::Lost;
                        return Some((self.number, fault));
                    }
                }
            }
        }
        None
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
            self.coded |= line.value("transfer-encoding").is_some();
            self.length = line.value("content-length").map(number).or(self.length);
        } else if self.begun {
            // RFC 9112 §2.2: empty lines before the request line are skipped; this one ends the head.
            return self.head_ends();
        }
        Ok(())
    }

    fn head_ends(&mut self) -> Result<(), Fault> {
        let place = match (self.coded, self.length) {
            (true, Some(_)) => return Err(Fault::LengthAndCoding),
            (false, None | Some(Some(0))) => Place::Head,
            (false, Some(Some(length))) => Place::Body(length),
            (true, None) | (false, Some(None)) => Place::Lost,
        };
        *self = Self { place, number: self.number + 1, ..Self::default() };
        Ok(())
    }
}

/// Reads a length; `None`: the parser will refuse it.
fn number(value: &[u8]) -> Option<u64> {
    str::from_utf8(value).ok()?.trim().parse().ok()
}

/// How a line goes on.
enum End {
    Open,
    Bare,
    Whole,
}

impl Line {
    fn push(&mut self, part: &[u8]) -> End {
        let room = LINE_START.saturating_sub(self.start.len()).min(part.len());
        self.start.extend_from_slice(part.get(..room).unwrap_or_default());
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

    /// Returns the value of the field, if the line is one called `name`.
    fn value(&self, name: &str) -> Option<&[u8]> {
        let (found, value) = self.start.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        found.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
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
                (Self::Method, byte) if byte.is_ascii_alphabetic() || *byte == b'-' => Self::Method,
                (Self::Target, b'#') => Self::Fragment,
                (Self::Target, byte) if !matches!(byte, b' ' | b'\r' | b'\n') => Self::Target,
                (Self::Method | Self::Target | Self::Done | Self::Fragment, _) => return Self::Done,
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
    use super::{Fault, Heads, Scan};

    #[test]
    fn a_fragment_in_a_request_target_is_seen_in_any_division() {
        for (text, expected) in [
            ("GET /a#b HTTP/1.1\r\n", Scan::Fragment),
            ("\r\nGET /#", Scan::Fragment),
            ("GET /a HTTP/1.1\r\nx: #\r\n", Scan::Done),
            ("GET /a", Scan::Target),
            ("x: a b #", Scan::Done),
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
        check("POST / HTTP/1.1\r\ntransfer-encoding:x\r\nX: y\r\nCONTENT-LENGTH:5\r\n\r\n", both);
        check("POST / HTTP/1.1\r\nX-Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", None);
    }

    #[test]
    fn a_body_is_no_head() {
        let posted = "POST / HTTP/1.1\r\nContent-Length:  5 \r\n\r\na\n#\n\n";
        check(posted, None);
        check(&format!("{posted}GET /a#b HTTP/1.1\r\n"), Some((1, Fault::Fragment)));
        check(&format!("{posted}{posted}{GOOD}GET / HTTP/1.1\n"), Some((3, Fault::BareLineFeed)));
        check("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\n\n\r\n", None);
    }
}
