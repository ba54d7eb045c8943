//! The heap, at one fixed address: everything the engine and this host allocate lies in one run of
//! memory, so that it can be written to a file after start-up work is done and mapped back later.
//!
//! Blocks carry their capacity in front; freed ones wait in a list for their size. One thread only.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;

/// Below 512 GiB, so that it exists on arm64 kernels with 39-bit addresses; far from where Linux puts
/// executables, heaps and mappings by itself.
pub const BASE: usize = 0x40_0000_0000;

const LIMIT: usize = 512 << 20;
const HEADER: usize = 16;
const SMALL_CLASSES: usize = 64;
const CLASSES: usize = SMALL_CLASSES + 4 * 22;

/// At `BASE`: the allocator's own state, part of the image.
#[repr(C)]
pub struct State {
    pub magic: u64,
    /// First byte never handed out.
    pub top: usize,
    /// First byte not mapped.
    pub mapped: usize,
    free: [usize; CLASSES],
    /// What the image's user finds again: see image.rs.
    pub roots: [usize; 8],
}

/// Until the arena is mapped, blocks come from here; they are never freed and never in an image.
static mut EARLY: [u8; 32 << 10] = [0; 32 << 10];
static mut EARLY_TOP: usize = 0;
static mut READY: bool = false;

pub fn state() -> &'static mut State {
    unsafe { &mut *(BASE as *mut State) }
}

unsafe fn map(at: usize, length: usize) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    unsafe { libc::mmap(at as *mut _, length, prot, flags, -1, 0) == at as *mut _ }
}

/// Starts an empty arena. False where the address or the memory cannot be had.
pub fn create() -> bool {
    let first = 1 << 20;
    unsafe {
        if !map(BASE, first) {
            return false;
        }
        let state = state();
        state.magic = 0;
        state.top = (BASE + size_of::<State>()).next_multiple_of(16);
        state.mapped = BASE + first;
        READY = true;
    }
    true
}

/// Takes over an arena that a file mapping has put at `BASE`.
pub fn adopt() {
    unsafe { READY = true };
}

unsafe fn grow(to: usize) -> bool {
    let state = state();
    if to > BASE + LIMIT {
        return false;
    }
    // A quarter more each time: strict overcommit accounting sees only what is used.
    let step = ((state.mapped - BASE) / 4).max(256 << 10).max(to - state.mapped).next_multiple_of(64 << 10);
    if !unsafe { map(state.mapped, step) } {
        return false;
    }
    state.mapped += step;
    true
}

/// The class of a block and its capacity: multiples of 16 up to 1 KiB, then four steps to each doubling.
fn class(size: usize) -> (usize, usize) {
    if size <= SMALL_CLASSES * 16 {
        let n = size.div_ceil(16).max(1);
        (n - 1, n * 16)
    } else {
        let doubling = (usize::BITS - (size - 1).leading_zeros()) as usize - 1;
        let step = 1 << (doubling - 2);
        let capacity = size.next_multiple_of(step);
        (SMALL_CLASSES + (doubling - 10) * 4 + (capacity - (1 << doubling)) / step - 1, capacity)
    }
}

fn owns(block: *mut u8) -> bool {
    (BASE..BASE + LIMIT).contains(&(block as usize))
}

pub unsafe fn allocate(size: usize) -> *mut u8 {
    unsafe {
        if !READY {
            let top = &raw mut EARLY_TOP;
            let at = (*top).next_multiple_of(16);
            *top = at + HEADER + size;
            if *top > 32 << 10 {
                return null_mut();
            }
            let block = (&raw mut EARLY).cast::<u8>().add(at + HEADER);
            block.sub(HEADER).cast::<usize>().write_unaligned(size);
            return block;
        }
        if size > LIMIT {
            return null_mut();
        }
        let (class, capacity) = class(size);
        let state = state();
        let free = state.free[class];
        if free != 0 {
            state.free[class] = *(free as *const usize);
            return free as *mut u8;
        }
        let block = state.top + HEADER;
        if block + capacity > state.mapped && !grow(block + capacity) {
            return null_mut();
        }
        state.top = block + capacity;
        *((block - HEADER) as *mut usize) = capacity;
        block as *mut u8
    }
}

pub unsafe fn capacity(block: *mut u8) -> usize {
    unsafe { block.sub(HEADER).cast::<usize>().read_unaligned() }
}

pub unsafe fn release(block: *mut u8) {
    unsafe {
        if block.is_null() || !owns(block) {
            return;
        }
        let state = state();
        let (class, _) = class(capacity(block));
        *(block as *mut usize) = state.free[class];
        state.free[class] = block as usize;
    }
}

pub unsafe fn resize(block: *mut u8, size: usize) -> *mut u8 {
    unsafe {
        if block.is_null() {
            return allocate(size);
        }
        let had = capacity(block);
        if size <= had {
            return block;
        }
        let moved = allocate(size);
        if !moved.is_null() {
            core::ptr::copy_nonoverlapping(block, moved, had);
            release(block);
        }
        moved
    }
}

/// Rust's own allocations.
pub struct Arena;

unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > 16 {
            return null_mut();
        }
        unsafe { allocate(layout.size()) }
    }
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        unsafe { release(block) }
    }
    unsafe fn realloc(&self, block: *mut u8, _: Layout, size: usize) -> *mut u8 {
        unsafe { resize(block, size) }
    }
}

/// The engine's allocations.
unsafe impl rquickjs::allocator::Allocator for Arena {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        unsafe { allocate(size) }
    }
    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        let Some(bytes) = count.checked_mul(size) else {
            return null_mut();
        };
        unsafe {
            let block = allocate(bytes);
            if !block.is_null() {
                block.write_bytes(0, bytes);
            }
            block
        }
    }
    unsafe fn dealloc(&mut self, block: *mut u8) {
        unsafe { release(block) }
    }
    unsafe fn realloc(&mut self, block: *mut u8, size: usize) -> *mut u8 {
        unsafe { resize(block, size) }
    }
    unsafe fn usable_size(block: *mut u8) -> usize {
        if block.is_null() { 0 } else { unsafe { capacity(block) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_their_sizes_and_never_mix_them() {
        let mut capacities = [0; CLASSES];
        for size in (0..4096).chain((0..2000).map(|n| 4096 + n * 37_501)).chain([LIMIT - 1, LIMIT]) {
            let (at, capacity) = class(size);
            assert!(capacity >= size && capacity % 16 == 0, "{size}: {capacity}");
            assert!(size < 1024 || capacity <= size + size / 4 + 16, "{size}: {capacity}");
            assert!(capacities[at] == 0 || capacities[at] == capacity, "{size}: class {at}");
            capacities[at] = capacity;
        }
    }
}
