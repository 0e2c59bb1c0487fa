//! What every command of a person works with: the connection, the output, the person.

use std::io::{BufRead as _, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};
use jiff::Timestamp;

use super::{
    args::{Color, KubeArgs},
    fail::Fail,
    invoked::Invoked,
};
use crate::kube::session::Session;

/// Whoever sits at the terminal, if somebody does.
pub trait Person {
    /// Whether questions are of any use.
    fn is_there(&self) -> bool;
    /// Asks, and returns what was typed.
    ///
    /// # Errors
    /// When nothing can be read.
    fn ask(&mut self, question: &str) -> std::io::Result<String>;
}

/// The terminal that the process runs in.
#[derive(Clone, Copy, Debug)]
pub struct Terminal;

impl Person for Terminal {
    fn is_there(&self) -> bool {
        // Questions go to the standard error: the output may go to a file.
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    fn ask(&mut self, question: &str) -> std::io::Result<String> {
        let mut out = std::io::stderr().lock();
        write!(out, "{question}")?;
        out.flush()?;
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

/// Whether an answer to a question is yes; anything else is no.
#[must_use]
pub fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.to_ascii_lowercase().as_str())
}

/// One command at work.
#[derive(Debug)]
pub struct Desk {
    /// The connection.
    pub session: Session,
    /// How printed commands begin.
    pub invoked: Invoked,
    color: ColorChoice,
}

impl Desk {
    /// Connects as the flags say.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn open(kube: &KubeArgs) -> Result<Self, Fail> {
        let color = match kube.color.unwrap_or(Color::Auto) {
            Color::Auto => AutoStream::choice(&std::io::stdout()),
            Color::Always => ColorChoice::AlwaysAnsi,
            Color::Never => ColorChoice::Never,
        };
        let session = Session::connect(&kube.options()).await?;
        Ok(Self { session, invoked: Invoked::here(kube), color })
    }

    /// Prints text with styles; they are left out where there is no colour.
    ///
    /// # Errors
    /// When the output is gone. That its reader has read enough is none.
    pub fn say(&self, text: &str) -> Result<(), Fail> {
        let mut out = AutoStream::new(std::io::stdout(), self.color).lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
