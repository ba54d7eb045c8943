//! When the engine itself fails there is still one valid CNI error on stdout and exit status 1.
//!
//! A plugin that dies without words is reported by the runtime as "netplugin failed with no error
//! message". Everything here is safe inside a signal handler.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// Set by the door once TypeScript has written to stdout: nothing may follow it there.
pub static SPOKEN: AtomicBool = AtomicBool::new(false);

/// A signal that asks us to stop, to be raised once as an exception at the next system call, so that
/// TypeScript unwinds and undoes what it did. 0 = none, negative = already raised.
pub static STOP: AtomicI32 = AtomicI32::new(0);

fn write_all(fd: i32, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let n = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        if n <= 0 {
            return;
        }
        bytes = &bytes[n as usize..];
    }
}

/// Prints a CNI error object (code 999: nobody classified it) and exits with status 1.
pub fn fail(msg: &str, details: &str) -> ! {
    let mut text = [0u8; 4096];
    let mut at = 0;
    let mut put = |s: &[u8]| {
        for &b in s {
            // JSON's own escapes, without the allocator; other control bytes and non-ASCII are dropped.
            let escape = b == b'"' || b == b'\\';
            if at + 8 < text.len() && (0x20..0x7f).contains(&b) {
                if escape {
                    text[at] = b'\\';
                    at += 1;
                }
                text[at] = b;
                at += 1;
            }
        }
        at
    };
    let msg_end = put(msg.as_bytes());
    let end = put(details.as_bytes());
    if !SPOKEN.swap(true, Ordering::SeqCst) {
        write_all(1, b"{\"cniVersion\":\"1.1.0\",\"code\":999,\"msg\":\"");
        write_all(1, &text[..msg_end]);
        write_all(1, b"\",\"details\":\"");
        write_all(1, &text[msg_end..end]);
        write_all(1, b"\"}\n");
    } else {
        write_all(2, &text[..end]);
        write_all(2, b"\n");
    }
    unsafe { libc::_exit(1) }
}

extern "C" fn on_fault(signal: i32) {
    let what = match signal {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGFPE => "SIGFPE",
        _ => "SIGABRT",
    };
    fail("the engine failed: the plugin was stopped by a fault in its own process", what)
}

extern "C" fn on_stop(signal: i32) {
    let _ = STOP.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
}

extern "C" fn on_alarm(_: i32) {}

/// Faults print and exit; TERM, INT, HUP and the end of the processor time become an exception; ALRM only
/// interrupts a blocking call (the deadline of a lock); PIPE becomes `EPIPE`, XFSZ `EFBIG`. Whatever the caller
/// blocked or ignored, an exec inherits: nothing of it is kept.
pub fn install() {
    // A stack overflow has no stack left to handle its own fault on.
    static mut STACK: [u8; 16384] = [0; 16384];
    unsafe {
        let alternate = libc::stack_t { ss_sp: (&raw mut STACK).cast(), ss_flags: 0, ss_size: 16384 };
        libc::sigaltstack(&alternate, core::ptr::null_mut());
        let handle = |signal: i32, handler: usize, flags: i32| {
            let mut action: libc::sigaction = core::mem::zeroed();
            action.sa_sigaction = handler;
            action.sa_flags = flags;
            libc::sigaction(signal, &action, core::ptr::null_mut());
        };
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT] {
            handle(signal, on_fault as extern "C" fn(i32) as usize, libc::SA_ONSTACK);
        }
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGXCPU] {
            handle(signal, on_stop as extern "C" fn(i32) as usize, 0);
        }
        handle(libc::SIGALRM, on_alarm as extern "C" fn(i32) as usize, 0);
        handle(libc::SIGPIPE, libc::SIG_IGN, 0);
        handle(libc::SIGXFSZ, libc::SIG_IGN, 0);
        let mut none: libc::sigset_t = core::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, core::ptr::null_mut());
    }
}
