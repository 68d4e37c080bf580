//! The body of a request on its way to an upstream.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign_edge::body::{BodyError, Bounded, Content};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Request};
use http_body::{Body, Frame, SizeHint};

use crate::pace::Paced;
use crate::tether::Tethered;

/// Nothing, or what the caller sends, bounded and counted.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// There is no body.
    Empty,
    /// The caller's body.
    Streaming {
        /// Its bytes; an upload that lasts ends with its credential too.
        body: Box<Tethered<Paced<Bounded<Content>>>>,
        /// How far it is.
        progress: Arc<Progress>,
    },
}

/// Counts the parts of a body that were passed on, so that a wait for the answer knows whether anything moves.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicU64);

impl Progress {
    pub(crate) fn parts(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Streaming { body, progress } => {
                let frame = std::task::ready!(Pin::new(body).poll_frame(context));
                progress.0.fetch_add(1, Ordering::Relaxed);
                // Trailers end here: they could name any field, after everything was decided.
                Poll::Ready(frame.map(|frame| frame.map(without_trailers)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streaming { body, .. } => body.size_hint(),
        }
    }
}

/// Frames the content of a request by what it is, not by what was said of it (RFC 9112 §6).
///
/// Whatever the method: the HTTP library sends no content of unknown length with GET and HEAD unless it is told to.
pub(crate) fn frame(request: &mut Request<Outgoing>) {
    let length = request.body().size_hint().exact();
    let headers = request.headers_mut();
    let was_declared = headers.remove(CONTENT_LENGTH).is_some();
    match length {
        None => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        // RFC 9110 §8.6: that there is no content is said where the caller has said it.
        Some(0) if !was_declared => {}
        Some(length) => {
            headers.insert(CONTENT_LENGTH, length.into());
        }
    }
}

fn without_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    if frame.is_data() { frame } else { Frame::data(Bytes::new()) }
}
