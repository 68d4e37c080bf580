//! HPACK (RFC 7541), read for what is lost on the way to the service: which pseudo-fields a block of header fields has,
//! and whether its `:path` holds a `#`.
//!
//! The parser behind cuts a path at its fragment and drops pseudo-fields from trailers without a word. So blocks are
//! read here too, as they arrive. Of the dynamic table only sizes and kinds of entries are kept, no text.
//!
//! **Invariant.** The table changes as the parser's does: what cannot be read ends the connection there as here.

use std::collections::VecDeque;

/// A block is no HPACK (RFC 7541 §5.1, §5.2, §6: a decoding error).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What a block says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// A name begins with a colon.
    pub(crate) pseudo: bool,
    /// A `:path` holds a `#`.
    pub(crate) fragment: bool,
}

/// The blocks of one direction of a connection.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// The dynamic table, the newest entry first.
    table: VecDeque<Entry>,
    size: usize,
    limit: usize,
}

/// What is kept of a field.
#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: Kind,
    name_bytes: usize,
    value_bytes: usize,
    fragment: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Field,
    Path,
    Pseudo,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { table: VecDeque::new(), size: 0, limit: TABLE_SIZE }
    }
}

impl Blocks {
    /// Reads one whole block.
    ///
    /// # Errors
    ///
    /// [`Malformed`]: nothing on the connection can be read any more.
    pub(crate) fn read(&mut self, block: &[u8]) -> Result<Seen, Malformed> {
        let mut seen = Seen::default();
        let mut input = Input(block);
        while let Some(first) = input.0.first().copied() {
            // RFC 7541 §6.1, §6.2.1, §6.3, §6.2.2 and §6.2.3.
            let entry = match first {
                0x80.. => self.entry(input.integer(7)?)?,
                0x40.. => {
                    let entry = self.literal(&mut input, 6)?;
                    self.insert(entry);
                    entry
                }
                0x20.. => {
                    self.resize(input.integer(5)?)?;
                    continue;
                }
                _ => self.literal(&mut input, 4)?,
            };
            seen.pseudo |= entry.kind != Kind::Field;
            seen.fragment |= entry.kind == Kind::Path && entry.fragment;
        }
        Ok(seen)
    }

    fn literal(&self, input: &mut Input<'_>, prefix: u32) -> Result<Entry, Malformed> {
        let (kind, name_bytes) = match input.integer(prefix)? {
            0 => input.string()?.name()?,
            index => self.entry(index).map(|entry| (entry.kind, entry.name_bytes))?,
        };
        let (value_bytes, fragment) = input.string()?.value()?;
        Ok(Entry { kind, name_bytes, value_bytes, fragment })
    }

    /// RFC 7541 §2.3.3: the static table, and the dynamic one behind it.
    fn entry(&self, index: usize) -> Result<Entry, Malformed> {
        let position = index.checked_sub(1).ok_or(Malformed)?;
        if let Some(dynamic) = position.checked_sub(STATIC_NAMES.len()) {
            return self.table.get(dynamic).copied().ok_or(Malformed);
        }
        let kind = match index {
            4 | 5 => Kind::Path,
            1..=14 => Kind::Pseudo,
            _ => Kind::Field,
        };
        let name_bytes = STATIC_NAMES.get(position).copied().map(usize::from).ok_or(Malformed)?;
        // The values are of no interest: no index copies one into the dynamic table.
        Ok(Entry { kind, name_bytes, value_bytes: 0, fragment: false })
    }

    /// RFC 7541 §4.4: room is made before an entry is added; one that is too large empties the table.
    fn insert(&mut self, entry: Entry) {
        self.evict(self.limit.saturating_sub(entry.size()));
        if entry.size() <= self.limit {
            self.size += entry.size();
            self.table.push_front(entry);
        }
    }

    /// RFC 7541 §6.3: an encoder changes the size up to what was allowed.
    fn resize(&mut self, limit: usize) -> Result<(), Malformed> {
        if limit > TABLE_SIZE {
            return Err(Malformed);
        }
        self.limit = limit;
        self.evict(limit);
        Ok(())
    }

    /// Tells whether the table is as large as its entries, and no larger than it may be.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn is_within_bound(&self) -> bool {
        let size: usize = self.table.iter().map(Entry::size).sum();
        self.size == size && size <= self.limit && self.limit <= TABLE_SIZE
    }

    fn evict(&mut self, size: usize) {
        while self.size > size {
            let Some(oldest) = self.table.pop_back() else { break };
            self.size -= oldest.size();
        }
    }
}

impl Entry {
    /// RFC 7541 §4.1.
    const fn size(&self) -> usize {
        self.name_bytes + self.value_bytes + 32
    }
}

/// What is left of a block.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn octet(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    /// RFC 7541 §5.1: an integer whose first octet has `prefix` bits of it.
    fn integer(&mut self, prefix: u32) -> Result<usize, Malformed> {
        let most = (1_usize << prefix) - 1;
        let mut value = usize::from(self.octet()?) & most;
        if value < most {
            return Ok(value);
        }
        // Four octets reach further than any block does.
        for shift in [0, 7, 14, 21] {
            let octet = usize::from(self.octet()?);
            value += (octet & 0x7F) << shift;
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// RFC 7541 §5.2.
    fn string(&mut self) -> Result<Text<'a>, Malformed> {
        let coded = self.0.first().is_some_and(|first| first & 0x80 != 0);
        let length = self.integer(7)?;
        let (octets, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(Text { octets, coded })
    }
}

/// A string as it is on the wire.
struct Text<'a> {
    octets: &'a [u8],
    coded: bool,
}

impl Text<'_> {
    /// Returns what kind of name it is, and its length.
    fn name(&self) -> Result<(Kind, usize), Malformed> {
        let (mut count, mut colon, mut path) = (0, false, true);
        self.each(|octet| {
            colon |= count == 0 && octet == b':';
            path &= PATH.get(count) == Some(&octet);
            count += 1;
        })?;
        let kind = match colon {
            true if path && count == PATH.len() => Kind::Path,
            true => Kind::Pseudo,
            false => Kind::Field,
        };
        Ok((kind, count))
    }

    /// Returns its length, and whether there is a `#` in it.
    fn value(&self) -> Result<(usize, bool), Malformed> {
        let (mut count, mut fragment) = (0, false);
        self.each(|octet| {
            count += 1;
            fragment |= octet == b'#';
        })?;
        Ok((count, fragment))
    }

    fn each(&self, mut take: impl FnMut(u8)) -> Result<(), Malformed> {
        if self.coded {
            return decode(self.octets, take);
        }
        self.octets.iter().for_each(|octet| take(*octet));
        Ok(())
    }
}

/// Decodes a string in the Huffman code of RFC 7541, Appendix B, which is canonical: of the codes of one length the first
/// follows from those that are shorter.
fn decode(octets: &[u8], mut take: impl FnMut(u8)) -> Result<(), Malformed> {
    let mut walk = Walk::default();
    for bit in octets.iter().flat_map(|octet| (0..8).rev().map(move |place| octet >> place & 1)) {
        if let Some(symbol) = walk.step(u32::from(bit))? {
            take(symbol);
        }
    }
    // RFC 7541 §5.2: what is left is shorter than an octet and the beginning of the end-of-string symbol, all ones.
    if walk.length < 8 && walk.ones { Ok(()) } else { Err(Malformed) }
}

/// How far a code was read.
struct Walk {
    code: u32,
    /// The first code of this length.
    first: u32,
    /// Where its symbol stands.
    index: u32,
    length: usize,
    ones: bool,
}

impl Default for Walk {
    fn default() -> Self {
        Self { code: 0, first: 0, index: 0, length: 0, ones: true }
    }
}

impl Walk {
    fn step(&mut self, bit: u32) -> Result<Option<u8>, Malformed> {
        self.code = self.code << 1 | bit;
        self.first <<= 1;
        self.ones &= bit == 1;
        let count = CODES.get(self.length).copied().map(u32::from).ok_or(Malformed)?;
        self.length += 1;
        let place = self.code - self.first;
        if place >= count {
            self.first += count;
            self.index += count;
            return Ok(None);
        }
        let position = usize::try_from(self.index + place).map_err(|_| Malformed)?;
        // The one symbol beyond is the end of the string, which no string holds.
        let symbol = SYMBOLS.get(position).copied().ok_or(Malformed)?;
        *self = Self::default();
        Ok(Some(symbol))
    }
}

const PATH: &[u8] = b":path";

/// What we allow the peer's table, by saying nothing (RFC 9113 §6.5.2: 4,096).
const TABLE_SIZE: usize = 4096;

/// The lengths of the names of RFC 7541, Appendix A.
const STATIC_NAMES: [u8; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14, 16, 13,
    12, 6, 4, 4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3,
    16,
];

/// How many codes have 1, 2, … 30 bits (RFC 7541, Appendix B).
const CODES: [u8; 30] =
    [0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4];

/// The symbols in the order of their codes (RFC 7541, Appendix B).
const SYMBOLS: [u8; 256] = [
    48, 49, 50, 97, 99, 101, 105, 111, 115, 116, 32, 37, 45, 46, 47, 51, 52, 53, 54, 55, 56, 57, 61, 65, 95,
    98, 100, 102, 103, 104, 108, 109, 110, 112, 114, 117, 58, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77,
    78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 89, 106, 107, 113, 118, 119, 120, 121, 122, 38, 42, 44, 59, 88,
    90, 33, 34, 40, 41, 63, 39, 43, 124, 35, 62, 0, 36, 64, 91, 93, 126, 94, 125, 60, 96, 123, 92, 195, 208,
    128, 130, 131, 162, 184, 194, 224, 226, 153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230,
    129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190,
    196, 198, 228, 232, 233, 1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158,
    165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239, 9, 142, 144, 145, 148, 159, 171, 206,
    215, 225, 236, 237, 199, 207, 234, 235, 192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242,
    243, 255, 203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254,
    2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127,
    220, 249, 10, 13, 22,
];

#[cfg(test)]
mod tests {
    use super::{Blocks, CODES, Malformed, STATIC_NAMES, SYMBOLS, Seen, decode};

    fn bytes(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    #[test]
    fn rfc7541_appendix_a_b_the_tables_are_whole() {
        assert_eq!(CODES.iter().copied().map(u32::from).sum::<u32>(), 257);
        let mut symbols = SYMBOLS;
        symbols.sort_unstable();
        assert!(symbols.iter().enumerate().all(|(index, symbol)| usize::from(*symbol) == index));
        // The space that all codes take is the whole one.
        let space = |(index, count): (usize, &u8)| u64::from(*count) << (29 - index);
        assert_eq!(CODES.iter().enumerate().map(space).sum::<u64>(), 1 << 30);
        let letters: u32 = STATIC_NAMES.iter().copied().map(u32::from).sum();
        assert_eq!(letters, 622);
    }

    #[test]
    fn rfc7541_c_4_c_6_huffman_codes_are_read() {
        for (coded, text) in [
            ("f1e3 c2e5 f23a 6ba0 ab90 f4ff", "www.example.com"),
            ("a8eb 1064 9cbf", "no-cache"),
            ("25a8 49e9 5ba9 7d7f", "custom-key"),
            ("25a8 49e9 5bb8 e8b4 bf", "custom-value"),
            ("9d29 ad17 1863 c78f 0b97 c8e9 ae82 ae43 d3", "https://www.example.com"),
            (
                "94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            ),
        ] {
            let mut found = Vec::new();
            decode(&bytes(coded), |octet| found.push(octet)).unwrap();
            assert_eq!(String::from_utf8(found).unwrap(), text);
        }
        // Padding that is too long, or not of ones; the end-of-string symbol itself.
        for broken in ["25a8 49e9 5ba9 7d7f ff", "25a8 49e9 5ba9 7d7e", "ffff ffff", "00"] {
            assert_eq!(decode(&bytes(broken), |_| {}), Err(Malformed), "{broken}");
        }
    }

    const NOTHING: Seen = Seen { pseudo: false, fragment: false };
    const PSEUDO: Seen = Seen { pseudo: true, fragment: false };
    const FRAGMENT: Seen = Seen { pseudo: true, fragment: true };

    /// Checks what each block of one connection says.
    #[track_caller]
    fn check(blocks: &[(&str, Result<Seen, Malformed>)]) {
        let mut read = Blocks::default();
        for (block, expected) in blocks {
            assert_eq!(read.read(&bytes(block)), *expected, "{block}");
        }
    }

    #[test]
    fn rfc7541_c_3_fields_are_told_apart_with_their_indices() {
        // C.3: three requests on one connection, with literals and indices.
        check(&[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", Ok(PSEUDO)),
            ("8286 84be 5808 6e6f 2d63 6163 6865", Ok(PSEUDO)),
            ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", Ok(PSEUDO)),
            ("be", Ok(NOTHING)),
            ("c0", Ok(PSEUDO)),
            ("c1", Err(Malformed)),
        ]);
        // A fragment in a literal, coded or not, and by its index afterwards.
        check(&[("44 02 2f23", Ok(FRAGMENT)), ("be", Ok(FRAGMENT)), ("7e 01 2f", Ok(PSEUDO))]);
        check(&[("04 83 63febf", Ok(FRAGMENT)), ("14 04 2f613f23", Ok(FRAGMENT))]);
        check(&[
            ("00 05 3a70617468 01 23", Ok(FRAGMENT)),
            ("40 05 3a70617468 01 23", Ok(FRAGMENT)),
            ("be", Ok(FRAGMENT)),
        ]);
        check(&[("00 84 b9 58d33f 01 23", Ok(FRAGMENT))]);
        // A `#` elsewhere is no fragment.
        check(&[("0f 2b 01 23", Ok(NOTHING)), ("00 01 61 01 23", Ok(NOTHING)), ("01 01 23", Ok(PSEUDO))]);
        check(&[
            ("00 06 3a706174687a 01 23", Ok(PSEUDO)),
            ("00 02 3a78 00", Ok(PSEUDO)),
            ("00 00 00", Ok(NOTHING)),
        ]);
    }

    #[test]
    fn rfc7541_4_the_table_is_evicted_as_the_encoder_does() {
        // A limit of 40 holds one entry of 33 to 40 bytes.
        check(&[
            ("3f09 40 01 61 01 62", Ok(NOTHING)),
            ("be", Ok(NOTHING)),
            ("44 02 2f23", Ok(FRAGMENT)),
            ("be", Ok(FRAGMENT)),
            ("bf", Err(Malformed)),
        ]);
        // One that is too large empties the table; a limit of nothing too.
        check(&[
            ("3f09 40 01 61 01 62", Ok(NOTHING)),
            ("40 01 61 0a 6161616161 6161616161", Ok(NOTHING)),
            ("be", Err(Malformed)),
        ]);
        check(&[("40 01 61 01 62", Ok(NOTHING)), ("20 3fe11f", Ok(NOTHING)), ("be", Err(Malformed))]);
        check(&[("3fe21f", Err(Malformed))]);
    }

    #[test]
    fn what_is_no_block_is_told() {
        for block in ["80", "ff", "ffffffffffff", "40", "4001", "400161", "40016102ff", "7f", "bf", "0085"] {
            check(&[(block, Err(Malformed))]);
        }
    }
}
