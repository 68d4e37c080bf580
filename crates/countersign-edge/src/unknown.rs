//! What is said of a name that nobody knows: which one is nearest, or which there are.

/// The longest name of a stranger's that an error repeats.
const MAX_NAME: usize = 40;

/// Says that there is no such `kind` of thing, and which name is nearest or which there are.
#[must_use]
pub fn unknown(kind: &str, name: &str, known: &[&str]) -> String {
    let shown = shown(kind, name);
    let nearest = known.iter().map(|one| (strsim::damerau_levenshtein(name, one), *one)).min();
    match nearest {
        // Beyond a third of the name a suggestion is a guess.
        Some((distance, one)) if distance * 3 <= name.len().max(3) => {
            format!("unknown {shown}; did you mean `{one}`?")
        }
        Some(_) => format!("unknown {shown}; known: {}", known.join(", ")),
        None => format!("unknown {shown}; there is none"),
    }
}

/// Names a thing of a `kind`, without its `name` where that is no plain word: a stranger's text is not repeated.
pub(crate) fn shown(kind: &str, name: &str) -> String {
    match name.len() <= MAX_NAME && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => format!("{kind} `{name}`"),
        false => kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::unknown;

    #[test]
    fn a_strangers_text_is_not_repeated() {
        for name in ["a".repeat(41), "a b".into(), "\u{202e}".into()] {
            assert!(unknown("member", &name, &["name"]).starts_with("unknown member;"), "{name}");
        }
        assert_eq!(unknown("query parameter", "x", &[]), "unknown query parameter `x`; there is none");
    }
}
