//! What pages load: a stylesheet and a picture. They are the program's own, so that they change with it alone.

use http::header::IF_NONE_MATCH;
use http::{HeaderMap, HeaderValue};

use crate::failure::Failure;
use crate::received::Received;
use crate::reply::Reply;

pub(crate) const CSS: &str = "text/css; charset=utf-8";
pub(crate) const SVG: &str = "image/svg+xml";

/// Gives the stylesheet.
pub(crate) async fn stylesheet(received: Received) -> Result<Reply, Failure> {
    Ok(kept(CSS, STYLESHEET, &received.head.headers))
}

/// Gives the picture.
pub(crate) async fn picture(received: Received) -> Result<Reply, Failure> {
    Ok(kept(SVG, PICTURE, &received.head.headers))
}

/// Answers with a text, or that the one that is kept is still it (RFC 9110 §13.1.2).
fn kept(kind: &'static str, text: &'static str, headers: &HeaderMap) -> Reply {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let tag: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let told = headers.get_all(IF_NONE_MATCH).iter().filter_map(|field| field.to_str().ok());
    let same = told.flat_map(|field| field.split(',')).any(|one| one.trim().trim_start_matches("W/") == tag);
    let reply = if same { Reply::not_modified() } else { Reply::text(kind, text.to_owned()) };
    match HeaderValue::from_str(&tag) {
        Ok(tag) => reply.kept_as(tag),
        Err(_) => reply,
    }
}

const STYLESHEET: &str = include_str!("../../assets/countersign.css");
const PICTURE: &str = include_str!("../../assets/countersign.svg");
