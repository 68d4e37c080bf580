//! The word to end, given once and heard by every part.

use tokio::sync::watch;

/// Gives the word.
#[derive(Debug)]
pub(crate) struct Close(watch::Sender<bool>);

/// Hears it.
#[derive(Debug, Clone)]
pub(crate) struct Closing(watch::Receiver<bool>);

impl Close {
    pub(crate) fn new() -> (Self, Closing) {
        let (word, heard) = watch::channel(false);
        (Self(word), Closing(heard))
    }

    pub(crate) fn say(&self) {
        self.0.send_replace(true);
    }
}

impl Closing {
    /// Waits for the word; whoever would give it being gone is the word too.
    pub(crate) async fn wait(&mut self) {
        let _either_way_it_is_time = self.0.wait_for(|closing| *closing).await.is_ok();
    }
}
