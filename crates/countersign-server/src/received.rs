//! A call of anybody: what endpoints get that prove nobody.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use countersign_core::carried::Connection;
use countersign_core::management_key::LocalPeer;
use http::request::Parts;
use http_body_util::combinators::UnsyncBoxBody;

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

/// How a caller reached us.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Over a listener: a management key proves who it is.
    Network(Arc<Connection>),
    /// Over the local socket, or in this process: the operating system says who it is.
    Local(LocalPeer),
}
