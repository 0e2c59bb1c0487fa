//! Who tells the story: on a terminal, into a file, or nobody.

use std::{
    io::{IsTerminal, Write, stdout},
    sync::{
        Mutex, PoisonError,
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// How often a long step says that it is still at it.
const STILL: Duration = Duration::from_secs(10);

/// Writes what happens, for people.
pub struct Teller {
    out: Mutex<Box<dyn Write + Send>>,
    colour: bool,
    loud: bool,
}

impl std::fmt::Debug for Teller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Teller").field("colour", &self.colour).finish_non_exhaustive()
    }
}

impl Teller {
    /// Tells on standard output; in colour when that is a terminal.
    #[must_use]
    pub fn loud() -> Self {
        let colour = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { out: Mutex::new(Box::new(stdout())), colour, loud: true }
    }

    /// Tells nobody: for tests.
    #[must_use]
    pub fn quiet() -> Self {
        Self { out: Mutex::new(Box::new(std::io::sink())), colour: false, loud: false }
    }

    /// Whether anybody listens: what only shows things need not be done otherwise.
    #[must_use]
    pub fn is_loud(&self) -> bool {
        self.loud
    }

    fn write(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody reads any more: the story goes on all the same.
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A headline.
    pub fn heading(&self, text: &str) {
        self.write(&format!("\n{}", self.painted("1;36", text)));
    }

    /// A sentence.
    pub fn say(&self, text: &str) {
        self.write(&format!("  {text}"));
    }

    /// Something that was checked and holds.
    pub fn holds(&self, text: &str) {
        self.write(&format!("  {} {text}", self.painted("32", "✓")));
    }

    /// A command and what it printed.
    pub fn command(&self, line: &str, output: &str) {
        self.write(&format!("  {}", self.painted("1", &format!("$ {line}"))));
        for line in output.trim_end().lines() {
            self.write(&format!("    {line}"));
        }
    }

    /// Lines without decoration, for other programs to read.
    pub fn plain(&self, text: &str) {
        self.write(text);
    }

    /// Does something that may take long: says what, now and then that it goes on, and how long it took.
    pub fn during<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        self.write(&format!("  {what} …"));
        let result = thread::scope(|scope| {
            let (done, waits) = channel::<()>();
            scope.spawn(move || {
                while waits.recv_timeout(STILL) == Err(RecvTimeoutError::Timeout) {
                    self.write(&format!("  … still at it after {} s", begun.elapsed().as_secs()));
                }
            });
            let result = work();
            drop(done);
            result
        });
        self.write(&format!("    {:.1} s", begun.elapsed().as_secs_f32()));
        result
    }
}
