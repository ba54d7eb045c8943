//! The native side of flatnet: an engine, a door to the kernel, and a place to keep bytecode.
//!
//! Nothing here knows CNI, netlink or addresses; that is all TypeScript. The TypeScript half of the
//! door is `lib/sys`.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod archive;
pub mod arena;
pub mod descriptors;
pub mod door;
pub mod engine;
pub mod image;
pub mod last_words;
pub mod stack;
