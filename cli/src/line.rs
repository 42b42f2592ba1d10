//! A line of a listing in the making. Columns are padded by hand: the standard library's way takes several times as long,
//! and a large listing is little else.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::net::SocketAddr;

use ipvs_core::rules::{NamedRule, Namer};
use ipvs_core::{Command, Protocol};

/// As many as the widest column has.
const SPACES: &str = "                            ";

/// Everything that is put into it comes behind what is there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Line(String);

impl Line {
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    pub fn number(&mut self, number: impl itoa::Integer) -> &mut Self {
        self.text(itoa::Buffer::new().format(number))
    }

    /// What has no shorter way.
    pub fn shown(&mut self, what: fmt::Arguments<'_>) -> &mut Self {
        // A string takes everything.
        let _ = self.0.write_fmt(what);
        self
    }

    /// An address and its port by name; of a longer one only so many letters.
    pub fn address(
        &mut self,
        names: &dyn Namer,
        address: SocketAddr,
        protocol: Option<Protocol>,
        longest: usize,
    ) -> &mut Self {
        let start = self.0.len();
        // A string takes everything.
        let _ = names.write(&mut self.0, address, protocol);
        if self.0.len() - start > longest
            && let Some((end, _)) = self.0[start..].char_indices().nth(longest)
        {
            self.0.truncate(start + end);
        }
        self
    }

    pub fn rule(&mut self, command: &Command, names: &dyn Namer) -> &mut Self {
        // A string takes everything.
        let _ = NamedRule(command, names).write(&mut self.0);
        self
    }

    /// A column of this width: what `fill` puts in, and spaces behind it.
    pub fn column(&mut self, width: usize, fill: impl FnOnce(&mut Self) -> &mut Self) -> &mut Self {
        let start = self.0.len();
        fill(self);
        let filled = self.0[start..].chars().count();
        self.spaces(width.saturating_sub(filled))
    }

    /// A number with spaces before it up to this width.
    pub fn number_right(&mut self, width: usize, number: u64) -> &mut Self {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(number);
        self.spaces(width.saturating_sub(digits.len())).text(digits)
    }

    fn spaces(&mut self, count: usize) -> &mut Self {
        self.text(SPACES.get(..count).unwrap_or(SPACES))
    }

    /// Writes the line, and begins the next one.
    pub fn end(&mut self, output: &mut impl Write) -> io::Result<()> {
        self.0.push('\n');
        let written = output.write_all(self.0.as_bytes());
        self.0.clear();
        written
    }
}
