//! An answer that keeps its call's place until it was sent, or its receiver is gone.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

use crate::places::Place;

/// The body of an answer of the management API.
#[derive(Debug)]
pub struct Placed {
    body: Full<Bytes>,
    _place: Option<Place>,
}

impl Placed {
    /// Keeps `place` for as long as the body is not sent.
    pub(crate) const fn new(body: Full<Bytes>, place: Option<Place>) -> Self {
        Self { body, _place: place }
    }
}

impl Body for Placed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
