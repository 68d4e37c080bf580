//! A call of anybody: what endpoints get that prove nobody.

use std::net::IpAddr;

use bytes::Bytes;
use http::request::Parts;
use http_body_util::combinators::UnsyncBoxBody;

use crate::admission::Caller;

/// A call, not read further than its query.
#[derive(Debug)]
pub struct Received {
    pub(crate) head: Parts,
    pub(crate) body: UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>,
    pub(crate) caller: Caller,
}

impl Received {
    /// Returns the address that it came from, if it came over a network.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match &self.caller {
            Caller::Network(connection) => connection.peer,
            Caller::Local(_) => None,
        }
    }
}
