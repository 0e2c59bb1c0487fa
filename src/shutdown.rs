//! The wish to end, told to every part of the process.

use tokio::sync::watch;

/// Makes the wish known; clones share it.
#[derive(Clone, Debug)]
pub struct Trigger(watch::Sender<bool>);

/// Hears of the wish; clones share it.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// A connected pair.
#[must_use]
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Asks everybody to end. Doing so again changes nothing.
    pub fn pull(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Whether the end was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the end is asked for, also when nobody is left who could ask.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        // An error says that the trigger was dropped: whoever ran this process is gone.
        let _ = receiver.wait_for(|asked| *asked).await;
    }
}
