//! The archive behind the executable: the suite's bytecode, the image made of it, and the names it
//! answers to.
//!
//! Layout, all integers little-endian:
//!
//! ```text
//! engine | code | line map | names, joined by newlines | padding | image | footer
//! section: offset u64, length u64; code and line map are their size u64, then raw deflate
//! footer:  code, line map, names, image: a section each; checksum u64 of what precedes it here and of
//!          the names; SHA-256 [32] of all of the file but itself; build ID [16]; magic [8]
//! ```
//!
//! A start reads footer and names and maps the image (image.rs); it trusts what the footer leads to, because
//! to read all of it would take longer than a call. `flatnet verify` and `make install` compare the digest. The code is read where there is no
//! image, or where line numbers are wanted.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use miniz_oxide::inflate;
use sha2::{Digest, Sha256};

pub const MAGIC: &[u8; 8] = b"flatnet\x01";
/// What an image begins and ends at: a multiple of the kernel's pages, which only x86 knows beforehand.
pub const PAGE: u64 = if cfg!(target_arch = "x86_64") { 4096 } else { 65536 };

/// What stands behind the digest in the footer: build ID and magic.
const TRAILER: usize = 16 + 8;

/// Bytes of the digest, SHA-256.
const DIGEST: usize = 32;

pub const FOOTER: usize = 4 * 16 + 8 + DIGEST + TRAILER;

#[derive(Clone, Copy, Default)]
pub struct Section {
    pub offset: u64,
    pub length: u64,
}

pub struct Archive {
    pub fd: i32,
    pub names: Vec<String>,
    /// Bytecode of the whole suite, with line numbers.
    pub code: Section,
    /// Bundle line to TypeScript line, as text (see lib/sys/stack.ts).
    pub map: Section,
    /// Length 0 where there is none.
    pub image: Section,
    pub build_id: [u8; 16],
}

/// Not cryptographic: it only has to notice a torn or truncated file before the engine trusts it.
/// Eight bytes a step, because it is on the path of every start.
pub fn checksum(bytes: &[u8]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut h = K ^ bytes.len() as u64;
    let mut words = bytes.chunks_exact(8);
    for w in &mut words {
        h = (h ^ u64::from_le_bytes(w.try_into().unwrap())).wrapping_mul(K).rotate_left(29);
    }
    for &b in words.remainder() {
        h = (h ^ b as u64).wrapping_mul(K).rotate_left(29);
    }
    h
}

const DAMAGED: &str = "the executable is damaged: its code cannot be inflated";

/// Private memory for good: of a file, or empty.
pub fn map(fd: i32, length: usize) -> Option<&'static mut [u8]> {
    let flags = libc::MAP_PRIVATE | if fd < 0 { libc::MAP_ANONYMOUS } else { 0 };
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    unsafe {
        let at = libc::mmap(core::ptr::null_mut(), length.max(1), prot, flags, fd, 0);
        if at == libc::MAP_FAILED { None } else { Some(core::slice::from_raw_parts_mut(at.cast::<u8>(), length)) }
    }
}

fn pread(fd: i32, offset: u64, length: usize) -> Result<Vec<u8>, &'static str> {
    let mut bytes: Vec<u8> = Vec::with_capacity(length);
    while bytes.len() < length {
        let at = bytes.len();
        let n =
            unsafe { libc::pread(fd, bytes.as_mut_ptr().add(at).cast(), length - at, (offset as usize + at) as i64) };
        if n <= 0 {
            return Err("the executable is truncated");
        }
        unsafe { bytes.set_len(at + n as usize) };
    }
    Ok(bytes)
}

fn section(footer: &[u8], at: usize) -> Section {
    let word = |at: usize| u64::from_le_bytes(footer[at..at + 8].try_into().unwrap());
    Section { offset: word(at * 16), length: word(at * 16 + 8) }
}

impl Archive {
    /// The archive that this process was started from.
    pub fn open_own() -> Result<Archive, &'static str> {
        let fd = unsafe { libc::open(c"/proc/self/exe".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        if fd < 0 {
            return Err("the executable cannot open itself (is /proc mounted?)");
        }
        Archive::read_footer(fd)
    }

    /// The archive in a file that a person names: it may be anything. A FIFO is not waited for.
    pub fn open(path: &CStr) -> Result<Archive, &'static str> {
        let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK) };
        if fd < 0 {
            return Err(match unsafe { *libc::__errno_location() } {
                libc::ENOENT | libc::ENOTDIR => "there is no such file",
                libc::EACCES | libc::EPERM => "it cannot be opened: permission denied",
                libc::ELOOP => "it is a symbolic link that leads back to itself",
                libc::ENXIO | libc::ENODEV => "it is not a regular file",
                libc::EMFILE | libc::ENFILE => "it cannot be opened: too many open files",
                _ => "it cannot be opened",
            });
        }
        let mut found: libc::stat = unsafe { core::mem::zeroed() };
        if unsafe { libc::fstat(fd, &mut found) } != 0 || found.st_mode & libc::S_IFMT != libc::S_IFREG {
            unsafe { libc::close(fd) };
            return Err("it is not a regular file");
        }
        Archive::read_footer(fd)
    }

    fn read_footer(fd: i32) -> Result<Archive, &'static str> {
        let end = unsafe { libc::lseek(fd, 0, libc::SEEK_END) };
        if end < FOOTER as i64 {
            return Err("the executable is truncated");
        }
        let footer = pread(fd, end as u64 - FOOTER as u64, FOOTER)?;
        if &footer[FOOTER - 8..] != MAGIC {
            return Err("the executable carries no plugins: it is truncated, or was stripped after the build");
        }
        let [code, map, names, image] = [0, 1, 2, 3].map(|at| section(&footer, at));
        let whole = |s: Section| s.offset.checked_add(s.length).is_some_and(|stop| stop <= end as u64);
        if ![code, map, names, image].into_iter().all(whole) || names.length > 4096 {
            return Err("the footer of the executable is damaged");
        }
        let mut text = footer[..64].to_vec();
        text.extend(pread(fd, names.offset, names.length as usize)?);
        if checksum(&text).to_le_bytes() != footer[64..72] {
            return Err("the footer of the executable is damaged");
        }
        let names = String::from_utf8_lossy(&text[64..]).split('\n').map(str::to_owned).collect();
        let build_id = footer[FOOTER - TRAILER..FOOTER - 8].try_into().unwrap();
        Ok(Archive { fd, names, code, map, image, build_id })
    }

    /// Whether every bit of the file is as the build wrote it.
    pub fn verify(&self) -> Result<(), &'static str> {
        let end = unsafe { libc::lseek(self.fd, 0, libc::SEEK_END) };
        let file: &[u8] = map(self.fd, end.max(0) as usize).ok_or("it cannot be mapped: out of memory")?;
        let (rest, digest) = split(file).ok_or("the executable is truncated")?;
        if digest == rest { Ok(()) } else { Err("it differs from what was built: install it again") }
    }

    /// The bytes of a deflated section, outside the arena: inside they would leave a hole in an image.
    /// Bytecode carries a checksum of its own, which the engine verifies.
    pub fn read(&self, section: Section) -> Result<&'static [u8], &'static str> {
        let length = (section.offset + section.length) as usize;
        let file: &[u8] = map(self.fd, length).ok_or("the executable cannot be mapped: out of memory")?;
        let (size, deflated) = file[section.offset as usize..].split_at_checked(8).ok_or(DAMAGED)?;
        let size = u64::from_le_bytes(size.try_into().unwrap()) as usize;
        if size > 64 << 20 {
            return Err(DAMAGED);
        }
        let bytes = map(-1, size).ok_or("no memory for the plugin's code")?;
        let count = inflate::decompress_slice_iter_to_slice(bytes, [deflated].into_iter(), false, true);
        if count == Ok(size) { Ok(bytes) } else { Err(DAMAGED) }
    }

    /// The plugin that `called` means: its exact name, or the longest known name that stands in it
    /// between hyphens, dots or ends (`/x/bridge`, `cnv-bridge`, `bridge-amd64`, `host-local.old`).
    pub fn resolve(&self, called: &str) -> Option<&str> {
        let base = called.rsplit('/').next().unwrap_or(called);
        let edge = |c: Option<u8>| c.is_none_or(|c| matches!(c, b'-' | b'.' | b'_'));
        let stands_in = |name: &str| {
            base.match_indices(name).any(|(at, _)| {
                edge(base.as_bytes()[..at].last().copied()) && edge(base.as_bytes().get(at + name.len()).copied())
            })
        };
        // `flatnet-bridge` is a bridge: the suite's own name yields to any plugin's.
        let rank = |name: &&str| (*name != "flatnet", name.len());
        self.names.iter().map(String::as_str).filter(|name| stands_in(name)).max_by_key(rank)
    }
}

/// The digest of a whole executable, and the one that stands in it.
fn split(file: &[u8]) -> Option<([u8; DIGEST], [u8; DIGEST])> {
    let (body, tail) = file.split_at_checked(file.len().checked_sub(DIGEST + TRAILER)?)?;
    let (digest, trailer) = tail.split_at(DIGEST);
    Some((digest_of(body, trailer), digest.try_into().ok()?))
}

fn digest_of(body: &[u8], trailer: &[u8]) -> [u8; DIGEST] {
    Sha256::new().chain_update(body).chain_update(trailer).finalize().into()
}

/// A section as `Archive::read` expects it.
pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u64).to_le_bytes().to_vec();
    out.extend(miniz_oxide::deflate::compress_to_vec(bytes, 10));
    out
}

/// The whole executable: the archive behind the engine. `code` and `map` are deflated.
pub fn pack(engine: &[u8], names: &[String], code: &[u8], map: &[u8], image: &[u8], build_id: [u8; 16]) -> Vec<u8> {
    let names = names.join("\n");
    let mut out = engine.to_vec();
    let mut footer = Vec::new();
    for bytes in [code, map, names.as_bytes(), image] {
        if core::ptr::eq(bytes, image) && !image.is_empty() {
            out.resize((out.len() as u64).next_multiple_of(PAGE) as usize, 0);
        }
        footer.extend((out.len() as u64).to_le_bytes());
        footer.extend((bytes.len() as u64).to_le_bytes());
        out.extend(bytes);
    }
    let sum = checksum(&[&footer[..], names.as_bytes()].concat());
    out.extend(&footer);
    out.extend(sum.to_le_bytes());
    let trailer = [&build_id[..], MAGIC].concat();
    let digest = digest_of(&out, &trailer);
    out.extend(digest);
    out.extend(trailer);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executable() -> Vec<u8> {
        let names = ["bridge", "flatnet"].map(str::to_owned);
        pack(&[7; 300], &names, &deflate(b"code"), &deflate(b"map"), &[1; 5000], [9; 16])
    }

    #[test]
    fn the_digest_is_that_of_every_byte_but_its_own() {
        let whole = executable();
        let (computed, stored) = split(&whole).unwrap();
        assert_eq!(computed, stored);
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            let (computed, stored) = split(&flipped).unwrap();
            assert_ne!(computed, stored, "byte {at}");
        }
    }

    #[test]
    fn what_is_shorter_than_a_footer_has_no_digest() {
        assert!(split(&executable()[..DIGEST + TRAILER - 1]).is_none());
    }
}
