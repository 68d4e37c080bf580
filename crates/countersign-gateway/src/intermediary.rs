//! What a message is told by who passes it on: RFC 9110 §7.6.2 and §7.6.3.

use http::header::{HeaderName, VIA};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version};

const MAX_FORWARDS: HeaderName = HeaderName::from_static("max-forwards");

/// Writes this hop down: the protocol that the message came by, and a pseudonym (RFC 9110 §7.6.3). It tells neither host nor
/// product: nothing that is read upstream may look as if a caller had spoken in our name.
pub(crate) fn add_via(headers: &mut HeaderMap, received: Version) {
    let hop = match received {
        Version::HTTP_2 => "2 gateway",
        Version::HTTP_10 => "1.0 gateway",
        _ => "1.1 gateway",
    };
    headers.append(VIA, HeaderValue::from_static(hop));
}

/// Counts one forwarding; true: the request may not be forwarded, and is answered here.
///
/// RFC 9110 §7.6.2: it is counted for OPTIONS and TRACE, and TRACE is not served. What is no number is left as it is.
pub(crate) fn ends_here(head: &mut Parts) -> bool {
    if head.method != Method::OPTIONS {
        return false;
    }
    let mut fields = head.headers.get_all(&MAX_FORWARDS).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return false;
    };
    let digits = field.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse::<u32>().ok()) {
        None => false,
        Some(0) => true,
        Some(left) => {
            head.headers.insert(MAX_FORWARDS, (left - 1).into());
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Version};

    use super::{add_via, ends_here};

    #[track_caller]
    fn check(method: &str, fields: &[&str], ends: bool, left: &[&str]) {
        let mut request = Request::builder().method(method);
        for field in fields {
            request = request.header("max-forwards", *field);
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(ends_here(&mut head), ends, "{method} {fields:?}");
        let found: Vec<_> = head.headers.get_all("max-forwards").iter().collect();
        assert_eq!(found, left, "{method} {fields:?}");
    }

    #[test]
    fn rfc9110_7_6_2_forwards_are_counted_down() {
        check("OPTIONS", &[], false, &[]);
        check("OPTIONS", &["0"], true, &["0"]);
        check("OPTIONS", &["00"], true, &["00"]);
        check("OPTIONS", &["1"], false, &["0"]);
        check("OPTIONS", &["10"], false, &["9"]);
        check("GET", &["0"], false, &["0"]);
        for text in ["", "-1", "+1", "x", "4294967296"] {
            check("OPTIONS", &[text], false, &[text]);
        }
        check("OPTIONS", &["0", "1"], false, &["0", "1"]);
    }

    #[test]
    fn rfc9110_7_6_3_each_hop_is_added_to_those_before() {
        let mut headers = http::HeaderMap::new();
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            add_via(&mut headers, version);
        }
        let hops: Vec<_> = headers.get_all("via").iter().collect();
        assert_eq!(hops, ["1.0 gateway", "1.1 gateway", "2 gateway"]);
    }
}
