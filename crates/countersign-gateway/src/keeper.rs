//! Session tokens that this node keeps for browsers, each for as long as it is good.
//!
//! **Invariants.** However many requests show one text at once, the issuer is asked once (single flight). What is kept is believed
//! no more than what a browser shows: it is verified at every request, so that what has ended is refused at the next. It is
//! bounded; what finds no room is asked for each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::ledger::Unavailable;
use countersign_core::rejection::Rejection;
use countersign_core::secret::Secret;
use countersign_core::timestamp::Timestamp;
use countersign_core::token::TokenDigest;
use tokio::sync::OnceCell;

use crate::web::Renewed;

/// The most texts that are remembered: some 100 MB of session tokens; a bound, not a clause.
const MOST: usize = 100_000;

/// How long before its end a token is not handed out any more: a request takes its time.
const MARGIN: Duration = Duration::from_secs(5);

/// A session token, and until when it is kept.
#[derive(Clone)]
struct Kept {
    token: Arc<Secret<String>>,
    until: Timestamp,
}

type Cell = Arc<OnceCell<Kept>>;

/// What a node keeps.
#[derive(Default)]
pub(crate) struct Keeper {
    kept: Mutex<HashMap<TokenDigest, Cell>>,
}

/// A session token, or why there is none.
pub(crate) type Fresh = Result<Result<Arc<Secret<String>>, Rejection>, Unavailable>;

/// Why nothing was kept.
enum Not {
    Rejected(Rejection),
    Unavailable(Unavailable),
}

impl Keeper {
    /// Returns the session token that stands for a text at `now`; `renew` asks the issuer for it.
    pub(crate) async fn fresh<R>(&self, now: Timestamp, text: &str, renew: impl FnOnce() -> R + Send) -> Fresh
    where
        R: Future<Output = Result<Result<Renewed, Rejection>, Unavailable>> + Send,
    {
        let digest = TokenDigest::of(text);
        let cell = self.cell(now, digest);
        let asked = cell.get_or_try_init(|| async {
            match renew().await {
                Ok(Ok(Renewed { token, expires_at })) => {
                    Ok(Kept { token: Arc::new(token), until: expires_at })
                }
                Ok(Err(rejection)) => Err(Not::Rejected(rejection)),
                Err(unavailable) => Err(Not::Unavailable(unavailable)),
            }
        });
        match asked.await {
            Ok(kept) => Ok(Ok(Arc::clone(&kept.token))),
            Err(Not::Rejected(rejection)) => {
                self.lock().remove(&digest);
                Ok(Err(rejection))
            }
            Err(Not::Unavailable(unavailable)) => Err(unavailable),
        }
    }

    fn cell(&self, now: Timestamp, digest: TokenDigest) -> Cell {
        let is_over = |cell: &Cell| cell.get().is_some_and(|kept| kept.until <= now.plus(MARGIN));
        let mut kept = self.lock();
        if let Some(cell) = kept.get(&digest).filter(|cell| !is_over(cell)) {
            return Arc::clone(cell);
        }
        if kept.len() >= MOST {
            kept.retain(|_, cell| !is_over(cell));
        }
        let cell = Cell::default();
        if kept.len() < MOST {
            kept.insert(digest, Arc::clone(&cell));
        }
        cell
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TokenDigest, Cell>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use countersign_core::ledger::Unavailable;
    use countersign_core::rejection::Rejection;
    use countersign_core::secret::Secret;
    use countersign_core::timestamp::Timestamp;

    use super::Keeper;
    use crate::web::Renewed;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn good(text: &str) -> Result<Result<Renewed, Rejection>, Unavailable> {
        let expires_at = NOW.plus(Duration::from_secs(300));
        Ok(Ok(Renewed { token: Secret::new(text.to_owned()), expires_at }))
    }

    #[tokio::test]
    async fn of_many_that_show_one_text_at_once_one_asks() {
        let (keeper, asked) = (Keeper::default(), AtomicUsize::new(0));
        let ask = || async {
            let renew = || async {
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                good("a")
            };
            keeper.fresh(NOW, "text", renew).await.unwrap().unwrap().expose().clone()
        };
        let all = tokio::join!(ask(), ask(), ask(), ask(), ask(), ask(), ask(), ask(), ask(), ask());
        assert_eq!((all.0.as_str(), all.9.as_str(), asked.load(Ordering::SeqCst)), ("a", "a", 1));
    }

    #[tokio::test]
    async fn what_is_over_is_asked_for_again_and_what_was_refused_or_not_known_is_not_kept() {
        let keeper = Keeper::default();
        let fresh = |now, text, answer: fn() -> Result<Result<Renewed, Rejection>, Unavailable>| {
            let keeper = &keeper;
            async move {
                let fresh = keeper.fresh(now, text, || async move { answer() }).await;
                fresh.map(|fresh| fresh.map(|token| token.expose().clone()).map_err(Rejection::code))
            }
        };
        assert_eq!(fresh(NOW, "x", || Err(Unavailable::Stale)).await, Err(Unavailable::Stale));
        assert_eq!(fresh(NOW, "x", || Ok(Err(Rejection::EXPIRED))).await, Ok(Err("expired")));
        assert_eq!(fresh(NOW, "x", || good("a")).await, Ok(Ok("a".to_owned())));
        assert_eq!(fresh(NOW, "x", || good("b")).await, Ok(Ok("a".to_owned())), "it is kept");
        assert_eq!(fresh(NOW, "y", || good("c")).await, Ok(Ok("c".to_owned())));
        let later = NOW.plus(Duration::from_secs(294));
        assert_eq!(fresh(later, "x", || good("b")).await, Ok(Ok("a".to_owned())));
        let over = NOW.plus(Duration::from_secs(295));
        assert_eq!(fresh(over, "x", || good("b")).await, Ok(Ok("b".to_owned())));
    }
}
