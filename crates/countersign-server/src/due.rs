//! Due work: the one scheduler. What is due is taken with a lease, decided like any request, and done once however many
//! nodes look for it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::api_key::{EXPIRY_WARNING, NotDue, WarnOfExpiry};
use countersign_core::due::Due;
use countersign_core::exchange::System;
use countersign_core::ledger::Unavailable;
use countersign_core::signing_key::ROTATION;
use countersign_core::signing_keys::{NothingToDo, RotateInTime};
use countersign_store::Claim;

use crate::app::App;

/// How often it is looked for what is due.
const INTERVAL: Duration = Duration::from_secs(30);
/// How long nobody else takes what was taken: a worker that died is replaced after it.
const LEASE: Duration = Duration::from_secs(10 * 60);
/// How much is taken at a time.
const PORTION: i64 = 100;

/// What became of a piece of work.
enum Worked {
    /// It was done.
    Done,
    /// It is not to be done any more.
    Over,
    /// Its time has not come; it is looked at again when the lease has ended.
    Later,
}

type Working<'a> = Pin<Box<dyn Future<Output = Result<Worked, Unavailable>> + Send + 'a>>;

/// A kind of work.
struct Work {
    name: &'static str,
    /// How long before its time it is taken up; `None`: never.
    ahead: fn(&Ahead) -> Option<Duration>,
    work: for<'a> fn(&'a App, &'a Due, Duration) -> Working<'a>,
}

/// Every kind of work.
static WORK: &[Work] = &[
    Work {
        name: EXPIRY_WARNING,
        ahead: |ahead| Some(ahead.expiry_warning).filter(|ahead| !ahead.is_zero()),
        work: |app, due, ahead| Box::pin(warn_of_expiry(app, due, ahead)),
    },
    Work {
        name: ROTATION,
        ahead: |_| Some(Duration::ZERO),
        work: |app, due, _| Box::pin(rotate_signing_key(app, due)),
    },
];

/// How long before its time which work is taken up.
#[derive(Debug, Clone, Copy)]
pub struct Ahead {
    /// The setting `api_key.warn_before`; zero: nobody is warned.
    pub expiry_warning: Duration,
}

/// Works for ever.
pub async fn work(app: Arc<App>, ahead: Ahead) {
    let mut beat = tokio::time::interval(INTERVAL);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        if let Err(error) = app.do_what_is_due(&ahead).await {
            tracing::warn!(%error, "what is due is not done yet");
        }
    }
}

impl App {
    /// Does everything that is due; returns how much it was.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]; what is left is done when its lease has ended.
    pub async fn do_what_is_due(&self, ahead: &Ahead) -> Result<usize, Unavailable> {
        let mut done = 0;
        for one in WORK {
            if let Some(ahead) = (one.ahead)(ahead) {
                done += self.empty(one, ahead).await?;
            }
        }
        Ok(done)
    }

    async fn empty(&self, work: &Work, ahead: Duration) -> Result<usize, Unavailable> {
        let mut done = 0;
        loop {
            let now = self.now();
            let claim = Claim { kind: work.name, until: now.plus(ahead), lease: LEASE, limit: PORTION };
            let taken = self.store.claim(&claim, now).await?;
            if taken.is_empty() {
                return Ok(done);
            }
            for due in &taken {
                match (work.work)(self, due, ahead).await? {
                    Worked::Done => done += 1,
                    Worked::Over => {
                        self.store.dismiss(due, self.now()).await?;
                    }
                    Worked::Later => {}
                }
            }
        }
    }
}

/// Makes the successor of a signing key whose time has come.
async fn rotate_signing_key(app: &App, due: &Due) -> Result<Worked, Unavailable> {
    let Ok(slot) = due.subject.parse() else { return Ok(Worked::Over) };
    let act = RotateInTime { due: due.clone(), slot, fresh: app.fresh_key(slot).await? };
    match app.attempt(&System, &act).await {
        Ok(Ok(_)) => Ok(Worked::Done),
        Ok(Err(NothingToDo)) => Ok(Worked::Over),
        Err(Unavailable::Contended) => Ok(Worked::Later),
        Err(unavailable) => Err(unavailable),
    }
}

/// Warns an owner, through the audit, before a key ends.
async fn warn_of_expiry(app: &App, due: &Due, before: Duration) -> Result<Worked, Unavailable> {
    let Ok(key) = due.subject.parse() else { return Ok(Worked::Over) };
    let act = WarnOfExpiry { key, end: due.at, before };
    match app.attempt(&System, &act).await {
        Ok(Ok(())) => Ok(Worked::Done),
        Ok(Err(NotDue::Over)) => Ok(Worked::Over),
        // Its commit is lost again and again where another has done it, after the lease ended.
        Ok(Err(NotDue::Yet)) | Err(Unavailable::Contended) => Ok(Worked::Later),
        Err(unavailable) => Err(unavailable),
    }
}
