//! `flatnet-pack touched GROUP PROFILE PROGRAM [ARGUMENT…]`
//!
//! Runs a program whose image is spread (each block on pages of its own), and at its end reads from the
//! kernel which of the image's pages are copies, that is, were written to. The serial numbers of the
//! blocks on them go into the profile, under GROUP unless an earlier run has named them already.

use flatnet_engine::arena::{BASE, GROUPS, Header, SPREAD};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, exit};
use std::{fs, io};

/// What a `Placed` layout is made from: `rooms`, in bytes, one u64 for each group; then a group for each
/// serial number, a byte each. Little-endian.
#[derive(Default)]
struct Profile {
    rooms: [u64; GROUPS],
    groups: Vec<u8>,
}

impl Profile {
    fn read(path: &str) -> Profile {
        let bytes = fs::read(path).unwrap_or_default();
        let Some((rooms, groups)) = bytes.split_at_checked(GROUPS * 8) else { return Profile::default() };
        let mut profile = Profile { groups: groups.to_vec(), ..Default::default() };
        for (room, word) in profile.rooms.iter_mut().zip(rooms.chunks_exact(8)) {
            *room = u64::from_le_bytes(word.try_into().unwrap());
        }
        profile
    }

    fn add(&mut self, header: Header, group: u8) {
        let serial = header.serial as usize;
        if self.groups.len() <= serial {
            self.groups.resize(serial + 1, 0);
        }
        if self.groups[serial] == 0 {
            self.groups[serial] = group;
            self.rooms[group as usize] += (header.capacity as usize + size_of::<Header>()) as u64;
        }
    }

    fn write(&self, path: &str) -> io::Result<()> {
        fs::write(path, [self.rooms.map(u64::to_le_bytes).as_flattened(), &self.groups].concat())
    }
}

pub fn touched(arguments: &[String]) -> ! {
    let [group, path, program, arguments @ ..] = arguments else {
        eprintln!("usage: flatnet-pack touched GROUP PROFILE PROGRAM [ARGUMENT…]");
        exit(2);
    };
    let group: u8 = group.parse().ok().filter(|group| (1..GROUPS as u8).contains(group)).expect("a group");
    let mut profile = Profile::read(path);
    let status = trace(Command::new(program).args(arguments), |pid| {
        if let Err(error) = note(pid, &mut profile, group) {
            eprintln!("{program}: {error}");
            exit(1);
        }
    });
    profile.write(path).expect("write");
    exit(status)
}

/// Runs to the end; `at_exit` is called when the process has ended but its memory has not.
#[expect(clippy::zombie_processes, reason = "it is waited for by its number: `Child::wait` knows no stops")]
fn trace(command: &mut Command, mut at_exit: impl FnMut(i32)) -> i32 {
    let trace_me = || match unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    };
    let child = unsafe { command.pre_exec(trace_me) }.spawn().expect("spawn");
    let pid = child.id() as i32;
    let mut started = false;
    loop {
        let mut status = 0;
        if unsafe { libc::waitpid(pid, &mut status, 0) } < 0 {
            return 1;
        }
        if libc::WIFEXITED(status) {
            return libc::WEXITSTATUS(status);
        }
        if libc::WIFSIGNALED(status) {
            return 1;
        }
        let mut signal = libc::WSTOPSIG(status);
        if signal == libc::SIGTRAP {
            signal = 0;
            if status >> 16 == libc::PTRACE_EVENT_EXIT {
                at_exit(pid);
            }
        }
        unsafe {
            if !started {
                libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0, libc::PTRACE_O_TRACEEXIT | libc::PTRACE_O_EXITKILL);
                started = true;
            }
            libc::ptrace(libc::PTRACE_CONT, pid, 0, signal);
        }
    }
}

/// Blocks begin at multiples of `SPREAD` and may be longer.
fn note(pid: i32, profile: &mut Profile, group: u8) -> io::Result<()> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let range = maps.lines().find_map(|line| line.strip_prefix(&format!("{BASE:x}-"))?.split(' ').next());
    let end = range.and_then(|end| usize::from_str_radix(end, 16).ok());
    let end = end.ok_or_else(|| io::Error::other("no image is mapped"))?;
    let (pagemap, memory) = (File::open(format!("/proc/{pid}/pagemap"))?, File::open(format!("/proc/{pid}/mem"))?);
    let page_size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    if page_size != SPREAD {
        return Err(io::Error::other("pages are not as large as what spreads blocks"));
    }
    let mut pages = vec![0; (end - BASE) / SPREAD * 8];
    pagemap.read_exact_at(&mut pages, (BASE / SPREAD * 8) as u64)?;
    // linux/Documentation/admin-guide/mm/pagemap.rst: bit 63 present, 62 swapped, 61 a page of the file.
    let copied = |page: usize| {
        let bits = pages[page * 8 + 7] >> 5;
        bits == 0b100 || bits & 0b010 != 0
    };
    let mut page = 1; // The first one is the allocator's own.
    while page < pages.len() / 8 {
        let mut bytes = [0; size_of::<Header>()];
        memory.read_exact_at(&mut bytes, (BASE + page * SPREAD) as u64)?;
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let header = Header { capacity: word(0), serial: word(4) };
        if header.capacity == 0 {
            break;
        }
        let length = (size_of::<Header>() + header.capacity as usize).div_ceil(SPREAD);
        // Of what is longer than a page, only some pages are.
        if length == 1 && copied(page) {
            profile.add(header, group);
        }
        page += length;
    }
    Ok(())
}
