//! Tells a process from the one that forked it, without a system call. All of the library's `unsafe` code is here.

use std::process;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use once_cell::race::OnceBox;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// A number that this process shares with none of those that it was forked from, which have its process number where each is the
/// first one of a container.
#[must_use]
pub fn process_number() -> u32 {
    // The first number that no process has which this one was forked from: a fork copies it.
    static NEXT: AtomicU32 = AtomicU32::new(1);
    static OWN: OnceBox<Option<&'static AtomicU32>> = OnceBox::new();

    let Some(own) = OWN.get_or_init(|| Box::new(wiped_on_fork())) else {
        return process::id();
    };
    match own.load(Ordering::Acquire) {
        0 => {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            own.compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire).err().unwrap_or(number)
        }
        number => number,
    }
}

/// A number that is 0 again in a forked child; nothing on kernels before 4.14. It is never given back.
#[expect(unsafe_code, reason = "there is no other way to memory of such a kind")]
fn wiped_on_fork() -> Option<&'static AtomicU32> {
    let length = size_of::<AtomicU32>();
    // SAFETY: a mapping of its own, of at least a page, which nothing else knows and nothing unmaps. The kernel fills it
    // with zeros, at first and in a forked child, and all zeros is an `AtomicU32`.
    unsafe {
        let page =
            mmap_anonymous(ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE).ok()?;
        madvise(page, length, Advice::LinuxWipeOnFork).ok()?;
        Some(&*page.cast())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_of_a_process_have_its_number() {
        let number = process_number();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(process_number)).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == number));
        assert_eq!(process_number(), number);
        assert!(wiped_on_fork().is_some());
    }
}
