//! The gateway as its callers and its upstreams see it: raw bytes on sockets, no client library.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod assertions;
#[cfg(test)]
mod client;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod fake_upstream;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod names;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod support;
#[cfg(test)]
mod targets;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod upstreams;
#[cfg(test)]
mod websocket;
