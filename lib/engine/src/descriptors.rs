//! Descriptors 0, 1 and 2: where a caller closed one of them, the next file that a call opens, a record or a socket,
//! would be stdin, stdout or stderr, of a plugin that it starts too.

use libc::{O_CLOEXEC, O_RDONLY, O_WRONLY, c_int};

/// To be called with the first descriptor that this process opened; returns what it is from then on. It is the
/// lowest that was free, so that a caller who closed nothing pays no system call for this.
pub fn settle(first: c_int) -> c_int {
    if !(0..3).contains(&first) {
        return first;
    }
    unsafe {
        let moved = libc::fcntl(first, libc::F_DUPFD_CLOEXEC, 3);
        if moved < 0 {
            return first;
        }
        libc::close(first);
        // The wrong way round, so that reading stdin and writing stdout fail as they do when closed.
        for (descriptor, mode) in [O_WRONLY, O_RDONLY, O_WRONLY].into_iter().enumerate() {
            if libc::fcntl(descriptor as c_int, libc::F_GETFD) < 0 {
                occupy(mode);
            }
        }
        moved
    }
}

/// Opens /dev/null, or without one a path that can be neither read nor written, on the lowest free descriptor. Those
/// below 3 are a child's too.
unsafe fn occupy(mode: c_int) {
    unsafe {
        if libc::open(c"/dev/null".as_ptr(), mode) < 0 {
            libc::open(c"/".as_ptr(), libc::O_PATH | O_CLOEXEC);
        }
    }
}
