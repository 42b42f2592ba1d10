//! How a program starts.
//!
//! Before Rust calls a `main` of its own it prepares for things that these programs do not need, such as a word about a
//! stack that is too small, and a listing of one service takes a sixth longer. So the C library calls them at once where
//! it gives the arguments to Rust by itself, as glibc does. What of those preparations matters is here.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::IntoRawFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Defines the `main` of one of the programs.
#[macro_export]
macro_rules! program {
    ($program:ident) => {
        /// Called by the C library.
        #[cfg(target_env = "gnu")]
        #[expect(unsafe_code, reason = "there is no other way to say which function starts the program")]
        #[unsafe(no_mangle)]
        pub extern "C" fn main() -> std::ffi::c_int {
            $crate::main($crate::Program::$program)
        }

        #[cfg(not(target_env = "gnu"))]
        fn main() {
            $crate::main($crate::Program::$program);
        }
    };
}

/// The bar of a restore needs this one function of the C library's for mathematics, which would be another library to load:
/// a tenth of the start of every command.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "there is no other way to be found in the library's place")]
#[unsafe(no_mangle)]
extern "C" fn pow(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
}

/// Opens standard input, output and error if they are closed: else the next file or socket would be in their place, and
/// what is written for people would go there.
pub(crate) fn open_standard_streams() -> io::Result<()> {
    let (input, output, error) = (rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr());
    let mut streams = [&input, &output, &error].map(|stream| PollFd::new(stream, PollFlags::empty()));
    poll(&mut streams, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    for stream in streams {
        if stream.revents().contains(PollFlags::NVAL) {
            // The lowest free number is this one's. It stays open.
            let _ = OpenOptions::new().read(true).write(true).open("/dev/null")?.into_raw_fd();
        }
    }
    Ok(())
}
