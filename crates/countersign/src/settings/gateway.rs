//! What the gateway believes of what it is sent, and what it hands on.

use anyhow::{Result, anyhow, bail};
use countersign_core::network::AddressBlock;
use countersign_gateway::caller::{Dialect, TrustedProxies};
use countersign_gateway::field_names::{DroppedFields, FieldPattern, FieldPatternError};
use countersign_gateway::route::Trust;

use super::file::Listener;

/// Reads what is believed of what callers send.
///
/// # Errors
///
/// The setting that is none of what it should be, or that trusts everybody.
pub(crate) fn trust(gateway: &Listener) -> Result<Trust> {
    let (trusted, dropped) = (trusted_proxies(gateway)?, dropped_fields(gateway)?);
    Ok(Trust { trusted, dropped, ..Trust::default() })
}

fn trusted_proxies(gateway: &Listener) -> Result<TrustedProxies> {
    let block = |text: &String| {
        let block: AddressBlock =
            text.parse().map_err(|error| anyhow!("gateway.trusted_proxies: {error}, found `{text}`"))?;
        if block.is_everything() {
            bail!("gateway.trusted_proxies: `{text}` trusts everybody: name the proxies");
        }
        Ok(block)
    };
    let dialect = match gateway.forwarded.as_deref() {
        None | Some("x-forwarded") => Dialect::XForwarded,
        Some("forwarded") => Dialect::Forwarded,
        Some(other) => bail!("gateway.forwarded: expected `x-forwarded` or `forwarded`, found `{other}`"),
    };
    Ok(TrustedProxies { blocks: gateway.trusted_proxies.iter().map(block).collect::<Result<_>>()?, dialect })
}

fn dropped_fields(gateway: &Listener) -> Result<DroppedFields> {
    type Read = fn(&str) -> Result<FieldPattern, FieldPatternError>;
    let list = |setting: &str, texts: &[String], read: Read| {
        let one = |text: &String| read(text).map_err(|error| anyhow!("{setting}: {error}, found `{text}`"));
        texts.iter().map(one).collect::<Result<Vec<_>>>()
    };
    let added = list("gateway.drop_headers", &gateway.drop_headers, FieldPattern::dropped)?;
    let passed = list("gateway.danger_pass_headers", &gateway.danger_pass_headers, FieldPattern::passed)?;
    if let Some(both) = added.iter().find(|one| passed.contains(one)) {
        bail!("gateway.drop_headers: `{both}` is in gateway.danger_pass_headers too");
    }
    Ok(DroppedFields::new(added, passed))
}

#[cfg(test)]
mod tests {
    use super::{Listener, dropped_fields};

    #[track_caller]
    fn check(drop: &[&str], pass: &[&str], expected: Result<&[(&'static str, bool)], &str>) {
        let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let listener =
            Listener { drop_headers: list(drop), danger_pass_headers: list(pass), ..Listener::default() };
        match (dropped_fields(&listener), expected) {
            (Ok(dropped), Ok(names)) => {
                for (name, ends) in names {
                    assert_eq!(dropped.contains(&http::HeaderName::from_static(name)), *ends, "{name}");
                }
            }
            (Err(error), Err(words)) => assert!(format!("{error:#}").contains(words), "{error:#}"),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn what_ends_at_the_gateway_can_be_added_to_and_taken_from() {
        check(&[], &[], Ok(&[("x-user-id", true), ("x-tenant", false), ("x-request-id", false)]));
        check(
            &["X-Tenant"],
            &["X-User-Id"],
            Ok(&[("x-user-id", false), ("x-tenant", true), ("x-user", true)]),
        );
        check(&["X_Tenant"], &[], Err("gateway.drop_headers: expected the name"));
        check(&["Content-*"], &[], Err("found `Content-*`"));
        check(
            &[],
            &["Countersign-Subject"],
            Err("gateway.danger_pass_headers: what the gateway says itself"),
        );
        check(&["X-A"], &["x-a"], Err("`x-a` is in gateway.danger_pass_headers too"));
    }
}
