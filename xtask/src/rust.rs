//! Rust source as tokens: enough to read names and to count lines, never to compile.
//!
//! Blanks and comments, doc comments too, are no tokens. A literal is one token, whatever stands in it.

/// A word, a literal or a single mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'s> {
    /// Its text.
    pub(crate) text: &'s str,
    /// The line where it starts, from 1.
    pub(crate) line: usize,
}

/// How an item begins that exists for tests alone.
const TEST_MARKS: [&[&str]; 2] = [&["#", "[", "cfg", "(", "test", ")", "]"], &["#", "[", "test", "]"]];

/// Reads `source` from the left.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some((text, after)) = rest.split_at_checked(length(rest)).filter(|(text, _)| !text.is_empty()) {
        if !is_silent(text) {
            found.push(Token { text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    found
}

/// Leaves out the items marked `#[cfg(test)]` or `#[test]`.
pub(crate) fn without_tests<'s>(tokens: &[Token<'s>]) -> Vec<Token<'s>> {
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let Some((first, after)) = rest.split_first() {
        rest = after_test_item(rest).unwrap_or_else(|| {
            kept.push(*first);
            after
        });
    }
    kept
}

/// Returns what follows if `tokens` start with the words of `prefix`.
pub(crate) fn after<'t, 's>(tokens: &'t [Token<'s>], prefix: &[&str]) -> Option<&'t [Token<'s>]> {
    let (head, rest) = tokens.split_at_checked(prefix.len())?;
    head.iter().zip(prefix).all(|(token, word)| token.text == *word).then_some(rest)
}

/// Returns how many bytes the first lexeme of `rest` has; 0 at the end.
fn length(rest: &str) -> usize {
    let Some(first) = rest.chars().next() else { return 0 };
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        block_comment(rest)
    } else if let Some(length) = raw_string(rest) {
        length
    } else if is_word(first) {
        rest.find(|c| !is_word(c)).unwrap_or(rest.len())
    } else if first == '"' {
        quoted(rest)
    } else {
        character(rest).unwrap_or_else(|| first.len_utf8())
    }
}

/// Tells whether a lexeme says nothing: a blank or a comment.
fn is_silent(text: &str) -> bool {
    text.starts_with(char::is_whitespace) || text.starts_with("//") || text.starts_with("/*")
}

/// Tells whether `c` may stand in a name or a number.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Measures a block comment; they nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    for (at, _) in rest.char_indices() {
        let here = rest.get(at..).unwrap_or_default();
        if here.starts_with("/*") {
            depth += 1;
        } else if here.starts_with("*/") {
            depth -= 1;
        }
        if depth == 0 {
            return at + "*/".len();
        }
    }
    rest.len()
}

/// Measures `r"…"`, `r#"…"#` and their byte and C forms.
fn raw_string(rest: &str) -> Option<usize> {
    let body = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let text = body.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let inside = text.find(&end).map_or(text.len(), |at| at + end.len());
    Some(rest.len() - text.len() + inside)
}

/// Measures `"…"`, in which a backslash shields the next character.
fn quoted(rest: &str) -> usize {
    let mut shielded = false;
    for (at, c) in rest.char_indices().skip(1) {
        if !shielded && c == '"' {
            return at + 1;
        }
        shielded = !shielded && c == '\\';
    }
    rest.len()
}

/// Measures `'x'` and `'\n'`; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    let shielded = if first == '\\' { inside.chars().nth(1)?.len_utf8() } else { 0 };
    let body = first.len_utf8() + shielded;
    let tail = inside.get(body..)?;
    let closing = if first == '\\' { tail.find('\'')? } else { tail.starts_with('\'').then_some(0)? };
    Some(1 + body + closing + 1)
}

/// Returns what follows the item for tests that `tokens` start with, if they do.
fn after_test_item<'t, 's>(tokens: &'t [Token<'s>]) -> Option<&'t [Token<'s>]> {
    TEST_MARKS.iter().find_map(|mark| after(tokens, mark)).map(after_item)
}

/// Returns what follows the first item: past its `;` or its closing brace.
fn after_item<'t, 's>(tokens: &'t [Token<'s>]) -> &'t [Token<'s>] {
    let mut depth = 0_usize;
    let end = tokens.iter().position(|token| {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(token.text, ";" | "}")
    });
    end.and_then(|end| tokens.get(end + 1..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{tokens, without_tests};

    #[track_caller]
    fn check(source: &str, expected: &[&str]) {
        let found: Vec<&str> = tokens(source).iter().map(|token| token.text).collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn a_source_is_words_literals_and_marks() {
        check("use crate::a_1;", &["use", "crate", ":", ":", "a_1", ";"]);
        check("a // crate::b\nc /* d /* e */ f */ g", &["a", "c", "g"]);
        check(r#"x "a \" // b" y"#, &["x", r#""a \" // b""#, "y"]);
        check(r#""" z"#, &[r#""""#, "z"]);
        check(r##"r#"a " b"# c br"\" d"##, &[r##"r#"a " b"#"##, "c", r#"br"\""#, "d"]);
        check("'{' '\\'' '\\u{7f}' <'a>", &["'{'", "'\\''", "'\\u{7f}'", "<", "'", "a", ">"]);
        check("'é' 'static \"open", &["'é'", "'", "static", "\"open"]);
        check("/* open", &[]);
        check("r#type", &["r", "#", "type"]);
    }

    #[test]
    fn a_token_knows_its_line() {
        let lines: Vec<usize> = tokens("a\n\"b\nc\" d\n// e\nf").iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 2, 3, 5]);
    }

    #[test]
    fn items_for_tests_are_left_out() {
        let source = "
            fn a() {}
            #[cfg(test)] mod tests { fn b() { { } } }
            #[cfg(test)] #[path = \"x\"] mod tests;
            #[cfg(test)] const D: [u8; 2] = [1, 2];
            #[test] fn e() {}
            #[cfg(unix)] fn f() {}";
        let all = tokens(source);
        let names: Vec<&str> = without_tests(&all)
            .windows(2)
            .filter(|pair| pair[0].text == "fn")
            .map(|pair| pair[1].text)
            .collect();
        assert_eq!(names, ["a", "f"]);
    }
}
