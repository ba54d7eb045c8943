//! The heap, at one fixed address: everything that QuickJS and this crate allocate lies in one run of
//! memory, so that it can be written to a file after start-up work is done and mapped back later.
//!
//! Blocks carry their capacity in front; freed ones wait in a list for their size. One thread only.
//!
//! The engine counts references in its objects, so a call writes to much of what it merely reads: some
//! thousand small blocks, which evaluation strewed over two hundred pages, each of them copied at its
//! first write. Evaluation is the same every time, though: the n-th block is always the same thing. So
//! while an image is made, the serial numbers of the blocks that calls write to can be given
//! (`Layout::Placed`); they are put side by side. To learn them, an image is made in which every block
//! has pages of its own (`Layout::Spread`): see the `touched` of `flatnet-pack`.

use core::alloc::{GlobalAlloc, Layout as Request};
use core::ptr::null_mut;

/// Below 512 GiB, so that it exists on arm64 kernels with 39-bit addresses; far from where Linux puts
/// executables, heaps and mappings by itself.
pub const BASE: usize = 0x40_0000_0000;

const LIMIT: usize = 512 << 20;
const SMALL_CLASSES: usize = 64;
const SMALL: usize = SMALL_CLASSES * 8;
const CLASSES: usize = SMALL_CLASSES + 4 * 23;

/// Where blocks of a spread image begin: at every multiple of this.
pub const SPREAD: usize = 4096;

/// In front of every block.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Header {
    pub capacity: u32,
    /// How many blocks had been asked for before this one.
    pub serial: u32,
}

const HEADER: usize = size_of::<Header>();

/// At `BASE`: the allocator's own state, part of the image.
#[repr(C)]
pub struct State {
    pub magic: u64,
    /// First byte never handed out.
    pub top: usize,
    /// First byte not mapped.
    pub mapped: usize,
    serial: u32,
    free: [usize; CLASSES],
    /// What the image's user finds again: see image.rs.
    pub roots: [usize; 8],
}

/// How blocks are laid out while an image is made.
#[derive(Clone, Copy)]
pub enum Layout {
    /// One after the other, freed ones first.
    Dense,
    /// Each on pages of its own.
    Spread,
    /// By serial number: groups 1, 2 … side by side and in front, then, as `Dense`, those of group 0.
    Placed(&'static [u8]),
}

pub const GROUPS: usize = 8;

/// Where the next block of each group goes, and where its room ends.
static mut GROUP_ROOMS: [(usize, usize); GROUPS] = [(0, 0); GROUPS];
static mut LAYOUT: Layout = Layout::Dense;

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

/// Starts an empty arena. False where the address or the memory cannot be had. `rooms` is what the
/// groups of a `Placed` layout need in bytes, headers included.
pub fn create(layout: Layout, rooms: [usize; GROUPS]) -> bool {
    let first = 1 << 20;
    unsafe {
        if !map(BASE, first) {
            return false;
        }
        let state = state();
        state.magic = 0;
        state.top = (BASE + size_of::<State>()).next_multiple_of(16);
        state.mapped = BASE + first;
        for (group, room) in rooms.into_iter().enumerate() {
            GROUP_ROOMS[group] = (state.top, state.top + room);
            state.top += room;
        }
        LAYOUT = layout;
        READY = state.top <= state.mapped || grow(state.top);
        READY
    }
}

/// Takes over an arena that a file mapping has put at `BASE`.
pub fn adopt() {
    unsafe { READY = true };
}

/// What is free is forgotten: later blocks lie together on fresh pages, not in the gaps of an image.
pub fn close_gaps() {
    state().free = [0; CLASSES];
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

/// The class of a block and its capacity: multiples of 8 up to 512, then four steps to each doubling.
fn class(size: usize) -> (usize, usize) {
    if size <= SMALL {
        let n = size.div_ceil(8).max(1);
        (n - 1, n * 8)
    } else {
        let doubling = (usize::BITS - (size - 1).leading_zeros()) as usize - 1;
        let step = 1 << (doubling - 2);
        let capacity = size.next_multiple_of(step);
        (SMALL_CLASSES + (doubling - 9) * 4 + (capacity - (1 << doubling)) / step - 1, capacity)
    }
}

fn owns(block: *mut u8) -> bool {
    (BASE..BASE + LIMIT).contains(&(block as usize))
}

unsafe fn header(block: *mut u8) -> *mut Header {
    block.wrapping_sub(HEADER).cast()
}

unsafe fn allocate(size: usize) -> *mut u8 {
    unsafe {
        if !READY {
            return early(size);
        }
        if size > LIMIT {
            return null_mut();
        }
        let (class, capacity) = class(size);
        let state = state();
        let serial = state.serial;
        state.serial += 1;
        let free = state.free[class] as *mut u8;
        let block = match LAYOUT {
            Layout::Placed(groups) if has_room(groups, serial, capacity) => {
                let (top, _) = &mut GROUP_ROOMS[groups[serial as usize] as usize % GROUPS];
                *top += HEADER + capacity;
                (*top - capacity) as *mut u8
            }
            _ if !free.is_null() => {
                state.free[class] = *free.cast();
                (*header(free)).serial = serial;
                return free;
            }
            layout => {
                if let Layout::Spread = layout {
                    state.top = state.top.next_multiple_of(SPREAD);
                }
                let block = state.top + HEADER;
                if block + capacity > state.mapped && !grow(block + capacity) {
                    return null_mut();
                }
                state.top = block + capacity;
                block as *mut u8
            }
        };
        *header(block) = Header { capacity: capacity as u32, serial };
        block
    }
}

/// Whether a block belongs to a group. Its room may be too small, where the profile is not of this suite.
unsafe fn has_room(groups: &[u8], serial: u32, capacity: usize) -> bool {
    let group = groups.get(serial as usize).map_or(0, |&group| group as usize);
    let (top, end) = unsafe { GROUP_ROOMS[group % GROUPS] };
    group != 0 && top + HEADER + capacity <= end
}

unsafe fn early(size: usize) -> *mut u8 {
    unsafe {
        let top = &raw mut EARLY_TOP;
        let at = (*top).next_multiple_of(16) + 16;
        *top = at + size;
        if *top > 32 << 10 {
            return null_mut();
        }
        let block = (&raw mut EARLY).cast::<u8>().add(at);
        block.sub(HEADER).cast::<Header>().write_unaligned(Header { capacity: size as u32, serial: 0 });
        block
    }
}

unsafe fn capacity(block: *mut u8) -> usize {
    unsafe { header(block).read_unaligned().capacity as usize }
}

unsafe fn release(block: *mut u8) {
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

unsafe fn resize(block: *mut u8, size: usize) -> *mut u8 {
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
    unsafe fn alloc(&self, request: Request) -> *mut u8 {
        if request.align() > 16 {
            return null_mut();
        }
        unsafe {
            if request.align() <= 8 {
                return allocate(request.size());
            }
            let block = allocate(request.size() + 8);
            if block.is_null() || (block as usize).is_multiple_of(16) {
                return block;
            }
            // The first half is lost, the rest a block like any other.
            let inner = Header { capacity: class(request.size()).1 as u32, ..*header(block) };
            *block.cast() = inner;
            block.add(8)
        }
    }
    unsafe fn dealloc(&self, block: *mut u8, _: Request) {
        unsafe { release(block) }
    }
    unsafe fn realloc(&self, block: *mut u8, request: Request, size: usize) -> *mut u8 {
        unsafe {
            if request.align() <= 8 {
                return resize(block, size);
            }
            let moved = self.alloc(Request::from_size_align_unchecked(size, request.align()));
            if !moved.is_null() {
                core::ptr::copy_nonoverlapping(block, moved, size.min(request.size()));
                release(block);
            }
            moved
        }
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
            assert!(capacity >= size && capacity % 8 == 0, "{size}: {capacity}");
            assert!(size < 512 || capacity <= size + size / 4 + 16, "{size}: {capacity}");
            assert!(capacities[at] == 0 || capacities[at] == capacity, "{size}: class {at}");
            capacities[at] = capacity;
        }
    }
}
