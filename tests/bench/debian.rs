//! Debian's `ipvsadm`, for scale.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::Result;

/// By its full path: ours may come first in `PATH`.
pub const DEBIAN: &str = "/usr/sbin/ipvsadm";

/// Runs it with this standard input, and says what it prints.
pub fn debian(arguments: &[&str], input: &[u8]) -> Result<String> {
    let mut child = Command::new(DEBIAN)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input)?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(format!("ipvsadm {}: {}", arguments.join(" "), output.status).into())
}
