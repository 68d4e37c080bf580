//! `countersign key rules`: how secret scanners recognise keys.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use countersign_core::key_string::KeyPrefix;

use crate::output;

/// The product's own key sets, in the words of the scanners' rules.
const OWN: [(&str, &str); 3] = [
    ("cs_live", "API key, environment live"),
    ("cs_test", "API key, environment test"),
    ("cs_mgmt", "management key"),
];

pub(crate) fn print(format: &str, prefixes: &[String]) -> Result<ExitCode> {
    let rule = match format {
        "gitleaks" => gitleaks,
        "trufflehog" => trufflehog,
        other => bail!("--format {other}: expected `gitleaks` or `trufflehog`"),
    };
    let mut sets: Vec<(String, &str)> =
        OWN.iter().map(|(prefix, what)| ((*prefix).to_owned(), *what)).collect();
    for prefix in prefixes {
        let prefix: KeyPrefix = prefix.parse().with_context(|| format!("--prefix {prefix}"))?;
        sets.push((prefix.to_string(), "API key of a key set of yours"));
    }
    if format == "trufflehog" {
        output::line("detectors:")?;
    }
    for (prefix, what) in &sets {
        output::line(&rule(prefix, what))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The shape of a key: 43 characters of body and 6 of checksum, each base62, and none of that kind after them.
fn pattern(prefix: &str) -> String {
    format!(r"\b({prefix}_[0-9A-Za-z]{{49}})\b")
}

fn gitleaks(prefix: &str, what: &str) -> String {
    format!(
        "[[rules]]\nid = \"countersign-{}\"\ndescription = \"Countersign {what}\"\nregex = '''{}'''\nkeywords = [\"{prefix}_\"]\n",
        prefix.replace('_', "-"),
        pattern(prefix)
    )
}

fn trufflehog(prefix: &str, what: &str) -> String {
    format!(
        "  - name: \"Countersign {what} ({prefix})\"\n    keywords:\n      - \"{prefix}_\"\n    regex:\n      key: '{}'",
        pattern(prefix)
    )
}
