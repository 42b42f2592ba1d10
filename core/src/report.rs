//! What became of a batch. No I/O.

use crate::Error;

/// What became of one command of a batch.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// It was done.
    Done,
    /// It was not done, and why.
    Failed(&'a Error),
    /// It was sent, and whether it was done is not known.
    Unknown,
    /// It was not sent.
    NotSent,
}

/// What became of a batch.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The commands that were refused: position in the batch, from 0 and ascending, and why.
    pub failed: Vec<(usize, Error)>,
    /// What ended it before its end, if anything did.
    pub interrupted: Option<Error>,
    /// Of how many commands it is known what became of them.
    pub(crate) known: usize,
    /// How many were sent.
    pub(crate) sent: usize,
    /// How many there are.
    pub(crate) total: usize,
}

impl Report {
    /// Of so many commands nothing is sent yet.
    pub(crate) fn new(total: usize) -> Self {
        Self { failed: Vec::new(), interrupted: None, known: 0, sent: 0, total }
    }

    /// Whether every command was done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.failed.is_empty() && self.interrupted.is_none() && self.known == self.total
    }

    /// What went wrong first: what the kernel refused, or what ended it.
    #[must_use]
    pub fn first_error(&self) -> Option<&Error> {
        self.failed.first().map(|(_, error)| error).or(self.interrupted.as_ref())
    }

    /// The outcome of each command, in order.
    pub fn outcomes(&self) -> impl Iterator<Item = Outcome<'_>> {
        let mut failed = self.failed.iter().peekable();
        (0..self.total).map(move |position| match failed.next_if(|(at, _)| *at == position) {
            Some((_, error)) => Outcome::Failed(error),
            None if position < self.known => Outcome::Done,
            None if position < self.sent => Outcome::Unknown,
            None => Outcome::NotSent,
        })
    }

    /// The result of the only command. That it was refused is known even if no more was heard after that.
    pub(crate) fn into_single(self) -> Result<(), Error> {
        match self.failed.into_iter().map(|(_, error)| error).next().or(self.interrupted) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
