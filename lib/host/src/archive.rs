//! The archive behind the executable: one bytecode blob a plugin, found by name.
//!
//! Layout, all integers little-endian:
//!
//! ```text
//! host executable | blobs … | index | footer
//! index:  count u16, then per entry: name length u8, name, 3 x section
//! section: offset u64, length u32, checksum u64      (code, code with line numbers, line map)
//! footer: index offset u64, index length u32, index checksum u64, build ID [16], magic [8]
//! ```
//!
//! Only the footer, the index and the wanted blob are read: a start costs what its own plugin costs.

use std::ffi::CStr;

pub const MAGIC: &[u8; 8] = b"flatnet\x01";
pub const FOOTER: usize = 8 + 4 + 8 + 16 + 8;

#[derive(Clone, Copy, Default)]
pub struct Section {
    pub offset: u64,
    pub length: u32,
    pub checksum: u64,
}

pub struct Entry {
    pub name: String,
    /// Bytecode without line numbers; what normally runs.
    pub code: Section,
    /// The same with line numbers, for `FLATNET_DEBUG=1`.
    pub debug: Section,
    /// Bundle line to TypeScript line, as text (see `lib/sys/stack.ts`).
    pub map: Section,
}

pub struct Archive {
    fd: i32,
    pub entries: Vec<Entry>,
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

fn pread(fd: i32, offset: u64, length: usize) -> Result<Vec<u8>, &'static str> {
    let mut bytes: Vec<u8> = Vec::with_capacity(length);
    while bytes.len() < length {
        let at = bytes.len();
        let n = unsafe {
            libc::pread(fd, bytes.as_mut_ptr().add(at).cast(), length - at, (offset as usize + at) as i64)
        };
        if n <= 0 {
            return Err("the executable is truncated");
        }
        unsafe { bytes.set_len(at + n as usize) };
    }
    Ok(bytes)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], &'static str> {
        if self.0.len() < n {
            return Err("the index of the executable is damaged");
        }
        let (head, tail) = self.0.split_at(n);
        self.0 = tail;
        Ok(head)
    }
    fn uint(&mut self, n: usize) -> Result<u64, &'static str> {
        let mut le = [0u8; 8];
        le[..n].copy_from_slice(self.take(n)?);
        Ok(u64::from_le_bytes(le))
    }
    fn section(&mut self) -> Result<Section, &'static str> {
        Ok(Section { offset: self.uint(8)?, length: self.uint(4)? as u32, checksum: self.uint(8)? })
    }
}

impl Archive {
    pub fn open(path: &CStr) -> Result<Archive, &'static str> {
        let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        if fd < 0 {
            return Err("the executable cannot open itself (is /proc mounted?)");
        }
        let end = unsafe { libc::lseek(fd, 0, libc::SEEK_END) };
        if end < FOOTER as i64 {
            return Err("the executable is truncated");
        }
        let footer = pread(fd, end as u64 - FOOTER as u64, FOOTER)?;
        if &footer[FOOTER - 8..] != MAGIC {
            return Err("the executable carries no plugins: it is truncated, or was stripped after the build");
        }
        let mut r = Reader(&footer);
        let (offset, length, sum) = (r.uint(8)?, r.uint(4)? as usize, r.uint(8)?);
        let build_id = r.take(16)?.try_into().unwrap();
        if length > 1 << 20 {
            return Err("the index of the executable is damaged");
        }
        let index = pread(fd, offset, length)?;
        if checksum(&index) != sum {
            return Err("the index of the executable is damaged");
        }
        let mut r = Reader(&index);
        let mut entries = Vec::new();
        for _ in 0..r.uint(2)? {
            let n = r.uint(1)? as usize;
            let name = String::from_utf8_lossy(r.take(n)?).into_owned();
            entries.push(Entry { name, code: r.section()?, debug: r.section()?, map: r.section()? });
        }
        Ok(Archive { fd, entries, build_id })
    }

    pub fn read(&self, section: Section) -> Result<Vec<u8>, &'static str> {
        let bytes = pread(self.fd, section.offset, section.length as usize)?;
        if checksum(&bytes) != section.checksum {
            return Err("the executable is damaged: a plugin's checksum does not match");
        }
        Ok(bytes)
    }

    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.name == name)
    }

    /// The plugin that `called` means: its exact name, or the longest known name that stands in it
    /// between hyphens, dots or ends (`/x/bridge`, `cnv-bridge`, `bridge-amd64`, `host-local.old`).
    pub fn resolve(&self, called: &str) -> Option<&Entry> {
        let base = called.rsplit('/').next().unwrap_or(called);
        self.find(base).or_else(|| {
            let edge = |c: Option<u8>| c.is_none_or(|c| matches!(c, b'-' | b'.' | b'_'));
            let stands_in = |name: &str| {
                base.match_indices(name).any(|(at, _)| {
                    edge(base.as_bytes()[..at].last().copied()) && edge(base.as_bytes().get(at + name.len()).copied())
                })
            };
            self.entries.iter().filter(|e| stands_in(&e.name)).max_by_key(|e| e.name.len())
        })
    }
}

/// Builds the bytes that follow the host executable. `base` is the host's own length.
pub fn pack(base: u64, plugins: &[(String, [Vec<u8>; 3])], build_id: [u8; 16]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut index = (plugins.len() as u16).to_le_bytes().to_vec();
    for (name, sections) in plugins {
        index.push(name.len() as u8);
        index.extend(name.as_bytes());
        for bytes in sections {
            index.extend((base + out.len() as u64).to_le_bytes());
            index.extend((bytes.len() as u32).to_le_bytes());
            index.extend(checksum(bytes).to_le_bytes());
            out.extend(bytes);
        }
    }
    let offset = base + out.len() as u64;
    out.extend(&index);
    out.extend(offset.to_le_bytes());
    out.extend((index.len() as u32).to_le_bytes());
    out.extend(checksum(&index).to_le_bytes());
    out.extend(build_id);
    out.extend(MAGIC);
    out
}
