//! WebSocket: a connection that becomes another protocol's (RFC 6455 §4, RFC 9110 §7.8).
//!
//! Only on routes that say so, and only that protocol: any other `Upgrade` ends at the gateway. Until the upstream has
//! answered 101 nothing that the caller sends after its head is passed on (CVE-2026-2833): until then it is HTTP, and
//! if the upstream declines, the next request on this connection is decided like any other.
//!
//! **Invariants.** A tunnel ends with its credential, after the idle limit without a byte, and where the connection is
//! drained. Its connection to the upstream is used for nothing else.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};

use crate::connection::Connection;
use crate::tether::{INTERVAL, Tether};
use crate::upstream::InFlight;

const PROTOCOL: HeaderValue = HeaderValue::from_static("websocket");

/// What is read at once, in each direction.
const BUFFER: usize = 16 * 1024;

/// Takes the caller's side of the connection from a request that asks for WebSocket; `None`: it does not.
pub(crate) fn asked(head: &mut Parts) -> Option<OnUpgrade> {
    // RFC 6455 §4.1: a GET of HTTP/1.1, with both fields.
    let asks = head.method == Method::GET && head.version == Version::HTTP_11 && is_websocket(&head.headers);
    if asks { head.extensions.remove() } else { None }
}

/// Tells whether the fields name WebSocket, and nothing beside it.
pub(crate) fn is_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(UPGRADE).iter();
    let only = |protocol: &HeaderValue| protocol.as_bytes().eq_ignore_ascii_case(PROTOCOL.as_bytes());
    let (Some(protocol), None) = (protocols.next(), protocols.next()) else {
        return false;
    };
    let options =
        headers.get_all(CONNECTION).iter().flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
    only(protocol) && { options }.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// Sets the fields by which a hop is switched; in requests and in answers they are the same.
pub(crate) fn set(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, PROTOCOL);
}

/// Both sides of what is being switched.
pub(crate) struct Sides {
    pub(crate) caller: OnUpgrade,
    pub(crate) upstream: OnUpgrade,
    /// What the upstream's side is part of, for as long as it is used.
    pub(crate) used: (Connection, InFlight),
}

impl Sides {
    /// Passes bytes both ways until one side ends, nothing moves for `idle`, or the credential ends.
    pub(crate) async fn relay(self, idle: Duration, tether: Option<Tether>) {
        let moved = AtomicU64::new(0);
        tokio::select! {
            ended = self.flow(&moved) => if let Err(error) = ended {
                tracing::debug!(%error, "a WebSocket broke");
            },
            () = overdue(&moved, idle, tether) => {}
        }
    }

    async fn flow(self, moved: &AtomicU64) -> io::Result<()> {
        let Self { caller, upstream, used: _used } = self;
        let (caller, upstream) = tokio::try_join!(opened(caller), opened(upstream))?;
        let (mut caller_reads, mut caller_writes) = split(caller);
        let (mut upstream_reads, mut upstream_writes) = split(upstream);
        tokio::try_join!(
            pass(&mut caller_reads, &mut upstream_writes, moved),
            pass(&mut upstream_reads, &mut caller_writes, moved),
        )?;
        Ok(())
    }
}

async fn opened(side: OnUpgrade) -> io::Result<TokioIo<Upgraded>> {
    side.await.map(TokioIo::new).map_err(io::Error::other)
}

async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    moved: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from.read(&mut buffer).await?;
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else {
            return to.shutdown().await;
        };
        to.write_all(read).await?;
        to.flush().await?;
        moved.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits until the tunnel has to end though neither side has ended it.
async fn overdue(moved: &AtomicU64, idle: Duration, tether: Option<Tether>) {
    let mut seen = 0;
    let mut still = Duration::ZERO;
    while still < idle && tether.as_ref().is_none_or(Tether::holds) {
        let step = INTERVAL.min(idle);
        tokio::time::sleep(step).await;
        let now = moved.load(Ordering::Relaxed);
        still = if now == seen { still + step } else { Duration::ZERO };
        seen = now;
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::is_websocket;

    #[test]
    fn rfc6455_4_1_both_fields_name_the_protocol_alone() {
        for (connection, upgrade, expected) in [
            (&["Upgrade"][..], &["websocket"][..], true),
            (&["keep-alive, upgrade"], &["WebSocket"], true),
            (&["keep-alive", "upgrade"], &["websocket"], true),
            (&["keep-alive"], &["websocket"], false),
            (&[], &["websocket"], false),
            (&["upgrade"], &[], false),
            (&["upgrade"], &["h2c"], false),
            (&["upgrade"], &["websocket, h2c"], false),
            (&["upgrade"], &["websocket", "h2c"], false),
        ] {
            let mut headers = HeaderMap::new();
            connection.iter().for_each(|text| {
                headers.append("connection", HeaderValue::from_static(text));
            });
            upgrade.iter().for_each(|text| {
                headers.append("upgrade", HeaderValue::from_static(text));
            });
            assert_eq!(is_websocket(&headers), expected, "{connection:?} {upgrade:?}");
        }
    }
}
