//! The settings about identity providers at which people sign in.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use countersign_core::federation::IdentityProvider;
use countersign_core::secret::Secret;
use countersign_server::identity_provider::{Dialect, ProviderSpec};
use url::Url;
use zeroize::Zeroizing;

use super::defaults::{GITHUB, GITHUB_API};
use super::file::IdentityProviderSettings;

/// What is asked of an OpenID provider where nothing is said: who it is, and what people recognise themselves by.
const OPENID: [&str; 3] = ["openid", "email", "profile"];
/// What is asked of GitHub.
const OF_GITHUB: [&str; 2] = ["read:user", "user:email"];

/// Resolves the providers, each of a name and an issuer of its own.
pub(super) fn read(settings: &[IdentityProviderSettings]) -> Result<Vec<ProviderSpec>> {
    let mut read: Vec<ProviderSpec> = Vec::with_capacity(settings.len());
    for (settings, number) in settings.iter().zip(1..) {
        let words = match settings.name.is_empty() {
            true => format!("identity provider {number}"),
            false => format!("identity provider `{}`", settings.name),
        };
        let spec = one(settings).with_context(|| words.clone())?;
        if read.iter().any(|other| other.provider.name == spec.provider.name) {
            bail!("{words}: name: another one has it");
        }
        if read.iter().any(|other| other.provider.issuer == spec.provider.issuer) {
            bail!("{words}: another one is the same provider, and whose an identity is would not be said");
        }
        read.push(spec);
    }
    Ok(read)
}

fn one(settings: &IdentityProviderSettings) -> Result<ProviderSpec> {
    let name = settings.name.parse().map_err(|error| anyhow!("name: {error}"))?;
    let (issuer, dialect) = dialect(settings)?;
    if settings.client_id.is_empty() {
        bail!("client_id: expected what we are called there");
    }
    let secret = settings.client_secret_file.as_deref();
    let secret =
        secret.ok_or_else(|| anyhow!("client_secret_file: expected a file with our secret there"))?;
    let default: &[&str] = if dialect == Dialect::OpenId { &OPENID } else { &OF_GITHUB };
    let scopes = settings.scopes.clone();
    let scopes = scopes.unwrap_or_else(|| default.iter().map(|scope| (*scope).to_owned()).collect());
    if dialect == Dialect::OpenId && !scopes.iter().any(|scope| scope == "openid") {
        bail!("scopes: expected `openid` among them (OpenID Connect Core 1.0 §3.1.2.1)");
    }
    Ok(ProviderSpec {
        provider: IdentityProvider {
            name,
            issuer,
            client_id: settings.client_id.clone(),
            trust_email: settings.trust_email,
            create_people: settings.create_people,
        },
        dialect,
        client_secret: client_secret(secret)?,
        scopes,
        title: settings.title.clone().unwrap_or_else(|| settings.name.clone()),
    })
}

/// Returns what identities there are known by, and how the provider is spoken to.
fn dialect(settings: &IdentityProviderSettings) -> Result<(String, Dialect)> {
    match (settings.kind.as_deref().unwrap_or("openid"), &settings.issuer, &settings.url) {
        ("openid", Some(issuer), None) => {
            let url = place("issuer", issuer)?;
            if url.query().is_some() || url.fragment().is_some() {
                bail!("issuer: expected a URL without a query (OpenID Connect Discovery 1.0 §3)");
            }
            Ok((issuer.clone(), Dialect::OpenId))
        }
        ("openid", None, _) => bail!("issuer: expected the `iss` of the provider"),
        ("openid", Some(_), Some(_)) => bail!("url: only a provider of the kind `github` has one"),
        ("github", Some(_), _) => bail!("issuer: GitHub has none; a GitHub Enterprise Server has a `url`"),
        ("github", None, url) => {
            let web = place("url", url.as_deref().unwrap_or(GITHUB))?;
            let issuer = web.as_str().trim_end_matches('/').to_owned();
            // A GitHub Enterprise Server has its API below itself.
            let api =
                if issuer == GITHUB { GITHUB_API.parse()? } else { format!("{issuer}/api/v3").parse()? };
            Ok((issuer, Dialect::Github { web, api }))
        }
        (kind, ..) => bail!("kind: expected `openid` or `github`, found `{kind}`"),
    }
}

fn place(setting: &str, text: &str) -> Result<Url> {
    let url: Url = text.parse().with_context(|| format!("{setting}: `{text}` is no URL"))?;
    let is_here = url.host_str().is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host));
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_here;
    if !is_safe || url.host().is_none() || !url.username().is_empty() || url.password().is_some() {
        bail!("{setting}: expected an https URL without a user name or password, found `{text}`");
    }
    Ok(url)
}

/// Reads a secret that stands in a file alone.
fn client_secret(path: &Path) -> Result<Secret<String>> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.with_context(|| format!("client_secret_file: cannot read {}", path.display()))?;
    if fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o077 != 0) {
        tracing::warn!(path = %path.display(), "the secret at an identity provider can be read by others: chmod 600");
    }
    let secret = text.trim();
    if secret.is_empty() || secret.lines().count() != 1 {
        bail!("client_secret_file: expected one line in {}", path.display());
    }
    Ok(Secret::new(secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::file::IdentityProviderSettings;
    use super::read;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        std::fs::write(&file, "s3cret\n").unwrap();
        let text = text.replace("SECRET", &format!("client_secret_file = \"{}\"", file.display()));
        let table: toml::Table = toml::from_str(&text).unwrap();
        let list: Vec<IdentityProviderSettings> = table["identity_provider"].clone().try_into().unwrap();
        match (read(&list), expected) {
            (Ok(found), Ok(issuer)) => {
                assert_eq!(found[0].provider.issuer, issuer);
                assert_eq!(found[0].client_secret.expose(), "s3cret");
            }
            (Err(error), Err(words)) => assert!(format!("{error:#}").contains(words), "{text}: {error:#}"),
            (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_provider_has_a_name_a_place_and_a_secret_in_a_file() {
        let one = |rest: &str| format!("[[identity_provider]]\nname = \"corp\"\nclient_id = \"a\"\n{rest}");
        check(&one("issuer = \"https://idp.example\"\nSECRET"), Ok("https://idp.example"));
        check(&one("issuer = \"http://127.0.0.1:1/\"\nSECRET"), Ok("http://127.0.0.1:1/"));
        check(&one("kind = \"github\"\nSECRET"), Ok("https://github.com"));
        check(&one("kind = \"github\"\nurl = \"https://git.example/\"\nSECRET"), Ok("https://git.example"));
        check(&one("issuer = \"http://idp.example\"\nSECRET"), Err("expected an https URL"));
        check(&one("issuer = \"https://a:b@idp.example\"\nSECRET"), Err("without a user name"));
        check(&one("issuer = \"https://idp.example?x\"\nSECRET"), Err("without a query"));
        check(&one("SECRET"), Err("identity provider `corp`: issuer: expected"));
        check(&one("kind = \"gitlab\"\nSECRET"), Err("expected `openid` or `github`, found `gitlab`"));
        check(&one("kind = \"github\"\nissuer = \"https://github.com\"\nSECRET"), Err("GitHub has none"));
        check(
            &one("issuer = \"https://a.example\"\nurl = \"https://b.example\"\nSECRET"),
            Err("only a provider"),
        );
        check(&one("issuer = \"https://idp.example\""), Err("client_secret_file: expected"));
        check(
            &one("issuer = \"https://a.example\"\nclient_secret_file = \"/nowhere\""),
            Err("cannot read /nowhere"),
        );
        check(
            &one("issuer = \"https://a.example\"\nscopes = [\"email\"]\nSECRET"),
            Err("expected `openid` among"),
        );
        let two = |first: &str, second: &str| format!("{}\n{}", one(first), one(second));
        let (a, b) = ("issuer = \"https://a.example\"\nSECRET", "issuer = \"https://b.example\"\nSECRET");
        check(&two(a, b), Err("name: another one has it"));
        check(&two(a, a).replacen("corp", "other", 1), Err("another one is the same provider"));
        check(&one(a).replace("corp", "Corp"), Err("small letters"));
        check(&one(a).replace("\"a\"", "\"\""), Err("client_id: expected"));
    }
}
