//! A list of passwords that others have chosen and lost (NIST SP 800-63B-4 §3.1.1.2: the blocklist).
//!
//! A file of SHA-1 hashes, sorted, as "Have I Been Pwned" publishes them (`HASH` or `HASH:count`), is searched by halves,
//! however large it is. Any other file is a password a line, and read through.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Result, Seek as _, SeekFrom};
use std::path::Path;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// Digits of a hash.
const DIGITS: usize = 40;
/// The longest line that is looked at.
const LINE: u64 = 4096;

/// Tells whether a list holds a password.
///
/// # Errors
///
/// If the file cannot be read.
pub(crate) fn holds(list: &Path, password: &str) -> Result<bool> {
    let mut lines = BufReader::new(File::open(list)?);
    let first = line(&mut lines)?.unwrap_or_default();
    if is_hash(&first) {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        return searched(&mut lines, &hash);
    }
    let mut next = Some(first);
    while let Some(line) = next {
        if line == password {
            return Ok(true);
        }
        next = self::line(&mut lines)?;
    }
    Ok(false)
}

/// Searches lines that are sorted.
fn searched(lines: &mut BufReader<File>, hash: &str) -> Result<bool> {
    let (mut from, mut to) = (0, lines.get_ref().metadata()?.len());
    // The line that begins at or after `from` and before `to` is looked for.
    while from < to {
        let middle = from + (to - from) / 2;
        let begin = beginning(lines, middle)?;
        let found = if begin < to { line(lines)? } else { None };
        let Some(found) = found else {
            to = middle;
            continue;
        };
        match found.get(..DIGITS).map(|found| found.to_ascii_uppercase().as_str().cmp(hash)) {
            Some(std::cmp::Ordering::Equal) => return Ok(true),
            Some(std::cmp::Ordering::Less) => from = lines.stream_position()?,
            Some(std::cmp::Ordering::Greater) | None => to = middle,
        }
    }
    Ok(false)
}

/// Goes to the first line that begins at `at` or after it, and returns where that is.
fn beginning(lines: &mut BufReader<File>, at: u64) -> Result<u64> {
    let Some(before) = at.checked_sub(1) else { return lines.seek(SeekFrom::Start(0)) };
    lines.seek(SeekFrom::Start(before))?;
    lines.by_ref().take(LINE).skip_until(b'\n')?;
    lines.stream_position()
}

/// Reads a line; what is no text is read as what it looks like.
fn line(lines: &mut BufReader<File>) -> Result<Option<String>> {
    let mut bytes = Vec::new();
    if lines.by_ref().take(LINE).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned()))
}

fn is_hash(line: &str) -> bool {
    let hash = line.split(':').next().unwrap_or_default();
    hash.len() == DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

    use super::holds;

    fn file(lines: &[String], end: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        lines.iter().for_each(|line| file.write_all(format!("{line}{end}").as_bytes()).unwrap());
        file
    }

    fn hash(password: &str) -> String {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
    }

    #[test]
    fn nist_800_63b_3_1_1_2_a_password_that_is_on_the_list_is_found() {
        for count in [1, 2, 3, 10, 1000] {
            let passwords: Vec<_> = (0..count).map(|n| format!("password {n}")).collect();
            let mut hashes: Vec<_> = passwords.iter().map(|one| hash(one)).collect();
            hashes.sort();
            let counted: Vec<_> = hashes.iter().zip(1..).map(|(hash, n)| format!("{hash}:{n}")).collect();
            let lists = [
                file(&passwords, "\n"),
                file(&passwords, "\r\n"),
                file(&hashes, "\n"),
                file(&counted, "\r\n"),
                file(&hashes.iter().map(|hash| hash.to_lowercase()).collect::<Vec<_>>(), "\n"),
            ];
            for list in &lists {
                assert!(passwords.iter().all(|password| holds(list.path(), password).unwrap()), "{count}");
                for other in ["password", "password -1", "password 1000", "", "PASSWORD 0"] {
                    assert!(!holds(list.path(), other).unwrap(), "{count} {other}");
                }
            }
        }
        assert!(!holds(file(&[], "").path(), "password").unwrap());
        assert!(holds(std::path::Path::new("/nowhere"), "password").is_err());
    }
}
