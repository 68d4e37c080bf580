//! Where passwords are hashed and compared: as many at a time as there are cores, some wait, and the rest are told to come
//! back.
//!
//! **Invariant.** What was begun holds its place until it has ended, also when nobody waits for it any more: whoever hangs
//! up buys no second place.

use std::sync::Arc;

use countersign_edge::wire_error::Problem;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::failure::Failure;

/// How many wait for each core; a bound, not a clause: at some 20 ms a hash, who waits longest waits a third of a second.
const WAITING: usize = 16;

/// The places.
#[derive(Debug)]
pub struct Passwords {
    /// Of those who wait or work.
    entered: Arc<Semaphore>,
    /// Of those who work.
    working: Arc<Semaphore>,
}

/// Everything is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

impl From<Busy> for Failure {
    fn from(_: Busy) -> Self {
        let detail = "Too many passwords are being verified: try again in a second".to_owned();
        Self::Refused { problem: Problem::Unavailable, detail }
    }
}

impl Passwords {
    /// Makes `cores` places to work in.
    #[must_use]
    pub fn new(cores: usize) -> Self {
        let cores = cores.clamp(1, 1024);
        let (entered, working) = (Semaphore::new(cores * (1 + WAITING)), Semaphore::new(cores));
        Self { entered: Arc::new(entered), working: Arc::new(working) }
    }

    /// Works where it may take long.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let entered = Arc::clone(&self.entered).try_acquire_owned().map_err(|_| Busy)?;
        let working = Arc::clone(&self.working).acquire_owned().await.map_err(|_| Busy)?;
        let places = (entered, working);
        let done = spawn_blocking(move || {
            let done = work();
            drop(places);
            done
        });
        // It ends otherwise when the process does.
        done.await.map_err(|_| Busy)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::mpsc;
    use std::task::{Context, Waker};

    use super::{Busy, Passwords, WAITING};

    fn waits(future: Pin<&mut impl Future>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn as_many_work_as_there_are_cores_some_wait_and_the_rest_are_told() {
        let passwords = std::sync::Arc::new(Passwords::new(1));
        let (release, held) = mpsc::channel::<()>();
        let (started, begun) = tokio::sync::oneshot::channel();
        let first = {
            let passwords = std::sync::Arc::clone(&passwords);
            tokio::spawn(async move {
                let work = move || {
                    started.send(()).unwrap();
                    held.recv().unwrap();
                };
                passwords.work(work).await
            })
        };
        begun.await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING).map(|n| Box::pin(passwords.work(move || n))).collect();
        for one in &mut waiting {
            assert!(waits(one.as_mut()));
        }
        assert_eq!(passwords.work(|| ()).await, Err(Busy), "the queue is full");
        // Who hangs up leaves the queue; what was begun keeps its place.
        drop(waiting.pop());
        first.abort();
        let mut next = Box::pin(passwords.work(|| 0));
        assert!(waits(next.as_mut()));
        assert_eq!(passwords.work(|| ()).await, Err(Busy));
        release.send(()).unwrap();
        for (n, one) in waiting.into_iter().enumerate() {
            assert_eq!(one.await, Ok(n));
        }
        assert_eq!(next.await, Ok(0));
    }
}
