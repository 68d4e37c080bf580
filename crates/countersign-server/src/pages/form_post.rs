//! The page that hands the answer of the authorization endpoint to a client by a form (OAuth 2.0 Form Post Response Mode).
//!
//! **Invariant.** It runs one script, whose hash its policy names: without scripts, people press the button.

use askama::Template;

use super::Page;
use super::language::Locale;

/// Hands an answer on.
#[derive(Debug, Template)]
#[template(path = "form_post.html")]
pub(crate) struct FormPost<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// The redirect URI.
    pub(crate) action: &'a str,
    /// The parameters of the answer.
    pub(crate) fields: &'a [(&'a str, String)],
}

impl Page for FormPost<'_> {
    fn leads_to(&self) -> Vec<&str> {
        vec![self.action]
    }

    fn policy(&self) -> &'static str {
        SCRIPT_POLICY
    }
}

/// The hash of the script in the template (CSP 3 §2.3.1); a test computes it.
const SCRIPT_POLICY: &str = "; script-src 'sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE='";

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::SCRIPT_POLICY;

    #[test]
    fn csp3_2_3_1_the_policy_names_the_one_script() {
        let template = include_str!("../../templates/form_post.html");
        let script = template.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
        let hash = STANDARD.encode(digest(&SHA256, script.as_bytes()));
        assert_eq!(SCRIPT_POLICY, format!("; script-src 'sha256-{hash}'"));
    }
}
