//! The image: the heap of an engine in which every plugin has been evaluated already.
//!
//! Reading and evaluating a plugin's bytecode takes longer than everything it then does. So the build
//! does it once, writes the arena to a file, and every start maps that file copy-on-write: what a call
//! does not touch is never read, and the number of plugins costs nothing. It works because the engine is
//! linked at a fixed address and the arena lies at one: every pointer in the image is still true.
//!
//! The image belongs to the one engine that wrote it; `anchor` says so. Without an image, or where the
//! address is taken, a start falls back to bytecode.

use crate::archive::{PAGE, Section, map};
use crate::arena::{self, BASE, GROUPS, Layout};
use alloc::ffi::CString;
use rquickjs::qjs::{self, JSContext, JSValue};

const MAGIC: u64 = u64::from_le_bytes(*b"flatheap");

/// An engine found in the arena.
pub struct Restored {
    pub context: *mut JSContext,
    pub door: JSValue,
    /// The exports of every plugin, by name.
    pub plugins: JSValue,
}

/// A layout, and the room of its groups.
pub type Plan = (Layout, [usize; GROUPS]);

/// What `dense`, `spread` or the path of a profile (see bin/pack/touched.rs) means. A profile that cannot
/// be read means `dense`.
pub fn plan(layout: &str) -> Plan {
    let dense = (Layout::Dense, [0; GROUPS]);
    match layout {
        "dense" => dense,
        "spread" => (Layout::Spread, [0; GROUPS]),
        path => profile(path).unwrap_or(dense),
    }
}

fn profile(path: &str) -> Option<Plan> {
    let path = CString::new(path).ok()?;
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        let length = libc::lseek(fd, 0, libc::SEEK_END);
        let (words, groups) = map(fd, usize::try_from(length).ok()?)?.split_at_checked(GROUPS * 8)?;
        let mut rooms = [0; GROUPS];
        for (room, word) in rooms.iter_mut().zip(words.chunks_exact(8)) {
            *room = u64::from_le_bytes(word.try_into().ok()?) as usize;
        }
        Some((Layout::Placed(groups), rooms))
    }
}

/// Where a function of this very executable lies (one of C, which has a single address).
fn anchor() -> usize {
    libc::syscall as *const () as usize
}

/// Makes the arena as it stands an image, and returns its bytes.
///
/// # Safety
/// `context`, `door` and `plugins` are live and in the arena.
pub unsafe fn seal(context: *mut JSContext, door: JSValue, plugins: JSValue) -> &'static [u8] {
    arena::close_gaps();
    let state = arena::state();
    state.magic = MAGIC;
    unsafe {
        state.roots = [
            anchor(),
            context as usize,
            qjs::JS_VALUE_GET_PTR(door) as usize,
            qjs::JS_VALUE_GET_PTR(plugins) as usize,
            0,
            0,
            0,
            0,
        ];
    }
    // What follows the image is mapped anew, from the next page on.
    let length = (state.top - BASE).next_multiple_of(PAGE as usize);
    if state.mapped < BASE + length {
        return &[];
    }
    state.mapped = BASE + length;
    unsafe { core::slice::from_raw_parts(BASE as *const u8, length) }
}

/// Maps the image from an open file. None where that cannot be.
pub fn restore(fd: i32, section: Section) -> Option<Restored> {
    let (offset, length) = (section.offset, section.length as usize);
    if length == 0 {
        return None;
    }
    let flags = libc::MAP_PRIVATE | libc::MAP_FIXED_NOREPLACE;
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    unsafe {
        let at = libc::mmap(BASE as *mut _, length, prot, flags, fd, offset as i64);
        if at != BASE as *mut _ {
            return None;
        }
        let state = arena::state();
        if state.magic != MAGIC || state.roots[0] != anchor() {
            libc::munmap(BASE as *mut _, length);
            return None;
        }
        arena::adopt();
        let object = |at: usize| qjs::JS_MKPTR(qjs::JS_TAG_OBJECT, at as *mut _);
        Some(Restored {
            context: state.roots[1] as *mut _,
            door: object(state.roots[2]),
            plugins: object(state.roots[3]),
        })
    }
}
