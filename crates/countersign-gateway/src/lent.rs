//! The body of an answer, and the connection that it is read from.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::answer;
use crate::connection::Connection;
use crate::pool::Pool;
use crate::upstream::InFlight;

/// An answer's body together with its connection, which goes back to the pool when the body was read to its end.
pub(crate) struct Lent {
    first: Option<First>,
    body: Incoming,
    connection: Option<(Connection, Arc<Pool>)>,
    _in_flight: InFlight,
}

/// What had arrived together with the head, and the length that the content had then, if it was known.
struct First {
    data: Bytes,
    length: Option<u64>,
}

impl std::fmt::Debug for Lent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Lent").finish_non_exhaustive()
    }
}

impl Lent {
    /// Begins to read an answer, and waits for nothing: what has not arrived yet is left to be read.
    ///
    /// # Errors
    ///
    /// hyper's, if the answer is already known to have broken before its content began.
    pub(crate) async fn begin(
        mut body: Incoming,
        connection: Connection,
        pool: &Arc<Pool>,
        in_flight: InFlight,
    ) -> Result<Self, hyper::Error> {
        let length = body.size_hint().exact();
        let there =
            std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut body).poll_frame(context))).await;
        let frame = match there {
            Poll::Ready(Some(frame)) => Some(frame?),
            Poll::Ready(None) | Poll::Pending => None,
        };
        // RFC 9112 §7.1.2: trailers may be discarded; those of a content that is empty are.
        let data = frame.and_then(|frame| frame.into_data().ok());
        let first = data.map(|data| First { data, length });
        Ok(Self { first, body, connection: Some((connection, Arc::clone(pool))), _in_flight: in_flight })
    }

    fn give_back(&mut self) {
        if let Some((connection, pool)) = self.connection.take() {
            pool.put(connection);
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first.data)))),
            None => Pin::new(&mut self.body).poll_frame(context),
        }
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut frame = ready!(self.poll_next(context));
        match &mut frame {
            None => self.give_back(),
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    answer::settle_trailers(trailers);
                }
            }
            Some(Err(_)) => {
                if let Some((_, pool)) = self.connection.take() {
                    pool.metrics.upstream_failed(pool.upstream.name(), "answer_broken");
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.first {
            None => self.body.size_hint(),
            Some(First { length: Some(length), .. }) => SizeHint::with_exact(*length),
            Some(First { length: None, .. }) => SizeHint::default(),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // A body of known length is not asked once more after its last byte.
        if self.body.is_end_stream() {
            self.give_back();
        }
    }
}
