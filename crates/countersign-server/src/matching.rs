//! Which endpoint of the management API a method and a path name.

use http::Method;

use crate::endpoints::{ENDPOINTS, Endpoint};

/// What a method and a path name.
pub(crate) enum Matched {
    Endpoint(&'static Endpoint, Vec<(String, String)>),
    Description,
    OtherMethods(Vec<Method>),
    Nothing,
}

pub(crate) fn find(method: &Method, path: &str) -> Matched {
    if path == "/v1/openapi.json" && method == Method::GET {
        return Matched::Description;
    }
    let matching =
        || ENDPOINTS.iter().filter_map(|endpoint| Some((endpoint, segments(endpoint.path, path)?)));
    // A row without a named segment is nearer: `/v1/keys/verify` is no key of the name `verify`.
    let nearest = matching()
        .filter(|(endpoint, _)| endpoint.method == method.as_str())
        .min_by_key(|(_, named)| named.len());
    if let Some((endpoint, segments)) = nearest {
        return Matched::Endpoint(endpoint, segments);
    }
    let others: Vec<_> = matching().filter_map(|(endpoint, _)| endpoint.method.parse().ok()).collect();
    if others.is_empty() { Matched::Nothing } else { Matched::OtherMethods(others) }
}

/// Matches a path with a pattern, segment by segment, and returns what the pattern names.
fn segments(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut named = Vec::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(named),
            (Some(wanted), Some(found)) => {
                match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                    Some(name) => named.push((name.to_owned(), found.to_owned())),
                    None if wanted == found => {}
                    None => return None,
                }
            }
            (None, Some(_)) | (Some(_), None) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::{Matched, find};
    use crate::endpoints::ENDPOINTS;

    #[test]
    fn every_endpoint_is_found_by_its_own_path() {
        for endpoint in ENDPOINTS {
            let path = endpoint.path.replace("{id}", "key_1");
            let Matched::Endpoint(found, _) = find(&endpoint.method.parse().unwrap(), &path) else {
                panic!("{endpoint:?} is not found");
            };
            assert!(std::ptr::eq(found, endpoint), "{endpoint:?} is hidden by {found:?}");
        }
        assert!(matches!(find(&Method::PUT, "/v1/keys"), Matched::OtherMethods(_)));
        for path in ["/v1", "/v1/keys/", "/v1/keys/a/b", "/v1/keys/a/revoke/", "//v1/keys"] {
            assert!(
                matches!(find(&Method::POST, path), Matched::Nothing | Matched::OtherMethods(_)),
                "{path}"
            );
        }
    }
}
