//! The door: system calls for TypeScript, as the global object `door`.
//!
//! Every call takes numbers, strings (passed as C strings), byte arrays (passed as pointers) or
//! nothing (0), and returns what the kernel returned: a number, or minus the errno. Names and
//! numbers come from `libc`, so that the TypeScript above is the same on every architecture.
//! `lib/sys` wraps each of these in a typed function; nothing else may touch `door`.

use crate::archive::Archive;
use crate::last_words;
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec;
use core::ffi::{CStr, c_char, c_int, c_long};
use core::sync::atomic::Ordering;
use libc::*;
use rquickjs::qjs::{self, JSContext, JSValue};
use sha2::{Digest, Sha256, Sha512};

/// `door.sys.<name>`: forwarded as they are.
static CALLS: &[(&CStr, c_long)] = &[
    (c"bind", SYS_bind),
    (c"clock_gettime", SYS_clock_gettime),
    (c"clock_nanosleep", SYS_clock_nanosleep),
    (c"close", SYS_close),
    (c"connect", SYS_connect),
    (c"faccessat", SYS_faccessat),
    (c"fcntl", SYS_fcntl),
    (c"flock", SYS_flock),
    (c"fstatfs", SYS_fstatfs),
    (c"ftruncate", SYS_ftruncate),
    (c"getdents64", SYS_getdents64),
    (c"geteuid", SYS_geteuid),
    (c"getpid", SYS_getpid),
    (c"getrandom", SYS_getrandom),
    (c"getsockopt", SYS_getsockopt),
    (c"kill", SYS_kill),
    (c"linkat", SYS_linkat),
    (c"lseek", SYS_lseek),
    (c"mkdirat", SYS_mkdirat),
    (c"openat", SYS_openat),
    (c"pipe2", SYS_pipe2),
    (c"ppoll", SYS_ppoll),
    (c"pread64", SYS_pread64),
    (c"pwrite64", SYS_pwrite64),
    (c"read", SYS_read),
    (c"readlinkat", SYS_readlinkat),
    (c"recvfrom", SYS_recvfrom),
    (c"renameat2", SYS_renameat2),
    (c"sendto", SYS_sendto),
    (c"setitimer", SYS_setitimer),
    (c"setns", SYS_setns),
    (c"setsockopt", SYS_setsockopt),
    (c"socket", SYS_socket),
    (c"statx", SYS_statx),
    (c"umask", SYS_umask),
    (c"uname", SYS_uname),
    (c"unlinkat", SYS_unlinkat),
    (c"utimensat", SYS_utimensat),
    (c"wait4", SYS_wait4),
    (c"write", SYS_write),
];

/// `door.k.<name>`: constants whose value depends on the architecture. The others stand in `lib/sys`.
static CONSTANTS: &[(&CStr, c_int)] =
    &[(c"O_TMPFILE", O_TMPFILE), (c"O_DIRECTORY", O_DIRECTORY), (c"O_NOFOLLOW", O_NOFOLLOW)];

static mut ARCHIVE: Option<&'static Archive> = None;

/// The exports of every plugin, by name.
static mut PLUGINS: JSValue = qjs::JS_UNDEFINED;

/// The command line as the kernel gave it.
static mut ARGUMENTS: (c_int, *const *const c_char) = (0, core::ptr::null());

/// Remembers the command line for `door.arguments()`.
pub fn set_arguments(argc: c_int, argv: *const *const c_char) {
    unsafe { ARGUMENTS = (argc, argv) };
}

fn archive() -> &'static Archive {
    unsafe { ARCHIVE.expect("the door is open") }
}

type Native = unsafe extern "C" fn(*mut JSContext, JSValue, c_int, *mut JSValue, c_int) -> JSValue;

unsafe fn define(ctx: *mut JSContext, object: JSValue, name: &CStr, native: Native, magic: c_int) {
    unsafe {
        // The engine takes one function type and a tag that says which prototype it really has.
        let untyped = core::mem::transmute::<Native, qjs::JSCFunction>(native);
        let kind = qjs::JSCFunctionEnum_JS_CFUNC_generic_magic;
        let f = qjs::JS_NewCFunction2(ctx, untyped, name.as_ptr(), 0, kind, magic);
        qjs::JS_SetPropertyStr(ctx, object, name.as_ptr(), f);
    }
}

/// Makes the global object `door`.
///
/// # Safety
/// `ctx` is a live context and this thread's own.
pub unsafe fn build(ctx: *mut JSContext) -> JSValue {
    unsafe {
        let door = qjs::JS_NewObject(ctx);
        let sys = qjs::JS_NewObject(ctx);
        for (at, (name, _)) in CALLS.iter().enumerate() {
            define(ctx, sys, name, forward, at as c_int);
        }
        qjs::JS_SetPropertyStr(ctx, door, c"sys".as_ptr(), sys);
        let k = qjs::JS_NewObject(ctx);
        for (name, value) in CONSTANTS {
            qjs::JS_SetPropertyStr(ctx, k, name.as_ptr(), number(*value as i64));
        }
        qjs::JS_SetPropertyStr(ctx, door, c"k".as_ptr(), k);
        for (name, native) in OTHERS {
            define(ctx, door, name, *native, 0);
        }
        let global = qjs::JS_GetGlobalObject(ctx);
        qjs::JS_SetPropertyStr(ctx, global, c"door".as_ptr(), qjs::JS_DupValue(ctx, door));
        door
    }
}

/// Opens the door for the plugin that this process is.
///
/// # Safety
/// `door` and `plugins`, the exports of every plugin by name, are alive in `ctx`.
pub unsafe fn open(ctx: *mut JSContext, door: JSValue, plugins: JSValue, executable: &'static Archive, plugin: &str) {
    unsafe {
        ARCHIVE = Some(executable);
        PLUGINS = plugins;
        qjs::JS_SetPropertyStr(ctx, door, c"plugin".as_ptr(), text(ctx, plugin.as_bytes()));
    }
}

/// The exports of a plugin; undefined where the executable has no such plugin.
///
/// # Safety
/// The door is open and `ctx` its context.
pub unsafe fn exports(ctx: *mut JSContext, name: &str) -> JSValue {
    let key = CString::new(name).unwrap_or_default();
    unsafe {
        if qjs::JS_IsObject(PLUGINS) { qjs::JS_GetPropertyStr(ctx, PLUGINS, key.as_ptr()) } else { qjs::JS_UNDEFINED }
    }
}

/// `door.<name>`
static OTHERS: &[(&CStr, Native)] = &[
    (c"abandon", abandon),
    (c"arguments", arguments),
    (c"buildId", build_id),
    (c"decode", decode),
    (c"encode", encode),
    (c"env", env),
    (c"lineMap", line_map),
    (c"load", load),
    (c"plugins", plugins),
    (c"sha256", sha256),
    (c"sha512", sha512),
    (c"spawn", spawn),
];

/// A JavaScript number; what the kernel returns fits 53 bits.
fn number(n: i64) -> JSValue {
    qjs::JS_NewFloat64(n as f64)
}

unsafe fn text(ctx: *mut JSContext, bytes: &[u8]) -> JSValue {
    unsafe { qjs::JS_NewStringLen(ctx, bytes.as_ptr().cast(), bytes.len() as _) }
}

unsafe fn bytes_of<'a>(ctx: *mut JSContext, value: JSValue) -> Option<&'a mut [u8]> {
    let mut length: qjs::size_t = 0;
    unsafe {
        let at = qjs::JS_GetUint8Array(ctx, &mut length, value);
        if at.is_null() {
            // A view of no bytes has no address, and that is no error.
            qjs::JS_FreeValue(ctx, qjs::JS_GetException(ctx));
            return None;
        }
        Some(core::slice::from_raw_parts_mut(at, length as usize))
    }
}

unsafe fn arg(argc: c_int, argv: *mut JSValue, at: usize) -> JSValue {
    if (at as c_int) < argc { unsafe { *argv.add(at) } } else { qjs::JS_UNDEFINED }
}

unsafe fn string_arg(ctx: *mut JSContext, value: JSValue) -> Option<CString> {
    let mut length = 0usize;
    unsafe {
        let at = qjs::JS_ToCStringLen(ctx, &mut length, value);
        if at.is_null() {
            return None;
        }
        let owned = CString::new(core::slice::from_raw_parts(at.cast::<u8>(), length)).ok();
        qjs::JS_FreeCString(ctx, at);
        owned
    }
}

/// Raises the pending stop signal, once: `{ name: 'Interrupted', message: signal }`.
unsafe fn raise_stop(ctx: *mut JSContext) -> Option<JSValue> {
    let signal = last_words::STOP.load(Ordering::Relaxed);
    if signal <= 0 {
        return None;
    }
    last_words::STOP.store(-signal, Ordering::Relaxed);
    let name = match signal {
        SIGTERM => "SIGTERM",
        SIGINT => "SIGINT",
        SIGXCPU => "SIGXCPU",
        _ => "SIGHUP",
    };
    unsafe {
        let error = qjs::JS_NewError(ctx);
        qjs::JS_SetPropertyStr(ctx, error, c"name".as_ptr(), text(ctx, b"Interrupted"));
        qjs::JS_SetPropertyStr(ctx, error, c"message".as_ptr(), text(ctx, name.as_bytes()));
        Some(qjs::JS_Throw(ctx, error))
    }
}

unsafe extern "C" fn forward(ctx: *mut JSContext, _: JSValue, argc: c_int, argv: *mut JSValue, call: c_int) -> JSValue {
    unsafe {
        if let Some(stopped) = raise_stop(ctx) {
            return stopped;
        }
        let call = CALLS[call as usize].1;
        let mut a = [0i64; 6];
        let mut strings: [*const c_char; 6] = [core::ptr::null(); 6];
        let mut malformed = 0;
        for at in 0..(argc as usize).min(6) {
            let value = *argv.add(at);
            if qjs::JS_IsInt(value) {
                a[at] = qjs::JS_VALUE_GET_INT(value) as i64;
            } else if qjs::JS_IsNumber(value) {
                let mut float = 0f64;
                qjs::JS_ToFloat64(ctx, &mut float, value);
                a[at] = float as i64;
            } else if qjs::JS_IsString(value) {
                let mut length = 0usize;
                strings[at] = qjs::JS_ToCStringLen(ctx, &mut length, value);
                if strings[at].is_null() || strlen(strings[at]) != length {
                    malformed = EINVAL; // a NUL inside would silently cut a path
                }
                a[at] = strings[at] as i64;
            } else if !qjs::JS_IsUndefined(value) && !qjs::JS_IsNull(value) {
                a[at] = bytes_of(ctx, value).map_or(0, |b| b.as_mut_ptr() as i64);
            }
        }
        let result = if malformed != 0 {
            -(malformed as i64)
        } else {
            if call == SYS_write && a[0] == 1 {
                last_words::SPOKEN.store(true, Ordering::Relaxed);
            }
            match syscall(call, a[0], a[1], a[2], a[3], a[4], a[5]) {
                -1 => -(*__errno_location() as i64),
                n => n,
            }
        };
        for s in strings {
            if !s.is_null() {
                qjs::JS_FreeCString(ctx, s);
            }
        }
        number(result)
    }
}

/// `decode(bytes, start = 0, end = length): string | undefined`: strict UTF-8.
unsafe extern "C" fn decode(ctx: *mut JSContext, _: JSValue, argc: c_int, argv: *mut JSValue, _: c_int) -> JSValue {
    unsafe {
        let bytes = bytes_of(ctx, arg(argc, argv, 0)).map_or(&[][..], |b| b);
        let bound = |at: usize, otherwise: usize| {
            let value = arg(argc, argv, at);
            if qjs::JS_IsInt(value) { (qjs::JS_VALUE_GET_INT(value) as usize).min(bytes.len()) } else { otherwise }
        };
        let (start, end) = (bound(1, 0), bound(2, bytes.len()));
        match core::str::from_utf8(&bytes[start.min(end)..end]) {
            Ok(s) => text(ctx, s.as_bytes()),
            Err(_) => qjs::JS_UNDEFINED,
        }
    }
}

/// A byte that is no UTF-8 stands in a text as the lone surrogate U+DC00 + byte (PEP 383); this gives the byte back.
/// The engine encodes such a surrogate in three bytes, which are no UTF-8 either.
fn unescape(encoded: &mut [u8]) -> usize {
    let (mut from, mut to) = (0, 0);
    while from < encoded.len() {
        match encoded[from..] {
            [0xed, high @ (0xb2 | 0xb3), low @ 0x80..=0xbf, ..] => {
                encoded[to] = (high & 3) << 6 | low & 0x3f;
                from += 3;
            }
            [byte, ..] => {
                encoded[to] = byte;
                from += 1;
            }
            [] => break,
        }
        to += 1;
    }
    to
}

/// `encode(text): Uint8Array`
unsafe extern "C" fn encode(ctx: *mut JSContext, _: JSValue, argc: c_int, argv: *mut JSValue, _: c_int) -> JSValue {
    unsafe {
        let mut length = 0usize;
        let at = qjs::JS_ToCStringLen(ctx, &mut length, arg(argc, argv, 0));
        if at.is_null() {
            return qjs::JS_EXCEPTION;
        }
        let text = core::slice::from_raw_parts(at.cast::<u8>(), length);
        let bytes = if text.contains(&0xed) {
            let mut owned = text.to_vec();
            let length = unescape(&mut owned);
            qjs::JS_NewUint8ArrayCopy(ctx, owned.as_ptr(), length as _)
        } else {
            qjs::JS_NewUint8ArrayCopy(ctx, text.as_ptr(), length as _)
        };
        qjs::JS_FreeCString(ctx, at);
        bytes
    }
}

unsafe fn digest<D: Digest>(ctx: *mut JSContext, value: JSValue) -> JSValue {
    unsafe {
        let hash = D::digest(bytes_of(ctx, value).map_or(&[][..], |b| b));
        qjs::JS_NewUint8ArrayCopy(ctx, hash.as_ptr(), hash.len() as _)
    }
}

/// `sha256(bytes): Uint8Array`
unsafe extern "C" fn sha256(ctx: *mut JSContext, _: JSValue, argc: c_int, argv: *mut JSValue, _: c_int) -> JSValue {
    unsafe { digest::<Sha256>(ctx, arg(argc, argv, 0)) }
}

/// `sha512(bytes): Uint8Array`, for the names the reference plugins derive with it.
unsafe extern "C" fn sha512(ctx: *mut JSContext, _: JSValue, argc: c_int, argv: *mut JSValue, _: c_int) -> JSValue {
    unsafe { digest::<Sha512>(ctx, arg(argc, argv, 0)) }
}

/// `spawn(path, setting, stdin, stdout, stderr): pid | -errno`: runs `path` with our environment in
/// which the one variable of `setting` (`NAME=value`) is replaced; the three descriptors become 0, 1
/// and 2, everything else is close-on-exec. It leads a process group, by which all that it starts can be ended.
unsafe extern "C" fn spawn(ctx: *mut JSContext, _: JSValue, argc: c_int, argv: *mut JSValue, _: c_int) -> JSValue {
    unsafe extern "C" {
        static environ: *const *mut c_char;
    }
    unsafe {
        let (Some(path), Some(setting)) = (string_arg(ctx, arg(argc, argv, 0)), string_arg(ctx, arg(argc, argv, 1)))
        else {
            return number(-EINVAL as i64);
        };
        let name_length = setting.as_bytes().iter().position(|&b| b == b'=').map_or(0, |at| at + 1);
        let mut variables = vec![setting.as_ptr().cast_mut()];
        let mut at = environ;
        while !at.is_null() && !(*at).is_null() {
            if strncmp(*at, setting.as_ptr(), name_length) != 0 {
                variables.push(*at);
            }
            at = at.add(1);
        }
        variables.push(core::ptr::null_mut());
        let arguments = [path.as_ptr().cast_mut(), core::ptr::null_mut()];
        let mut actions: posix_spawn_file_actions_t = core::mem::zeroed();
        let mut attributes: posix_spawnattr_t = core::mem::zeroed();
        posix_spawn_file_actions_init(&mut actions);
        posix_spawnattr_init(&mut attributes);
        for target in 0..3 {
            let from = qjs::JS_VALUE_GET_INT(arg(argc, argv, 2 + target));
            posix_spawn_file_actions_adddup2(&mut actions, from, target as c_int);
        }
        // Whose parent ignores the end of children is not told how they ended.
        signal(SIGCHLD, SIG_DFL);
        // We ignore these for our own writes; the delegate starts with the default.
        let mut defaults: sigset_t = core::mem::zeroed();
        sigemptyset(&mut defaults);
        sigaddset(&mut defaults, SIGPIPE);
        sigaddset(&mut defaults, SIGXFSZ);
        posix_spawnattr_setsigdefault(&mut attributes, &defaults);
        posix_spawnattr_setpgroup(&mut attributes, 0);
        posix_spawnattr_setflags(&mut attributes, (POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP) as _);
        let mut pid = 0;
        let errno = posix_spawn(&mut pid, path.as_ptr(), &actions, &attributes, arguments.as_ptr(), variables.as_ptr());
        posix_spawn_file_actions_destroy(&mut actions);
        posix_spawnattr_destroy(&mut attributes);
        number(if errno == 0 { pid } else { -errno } as i64)
    }
}

/// `abandon(fd)`: closes a descriptor whose end may take the kernel long, without waiting for it. It goes
/// into a message that nobody can receive any more, which the kernel's collector of such finds and frees.
unsafe extern "C" fn abandon(_: *mut JSContext, _: JSValue, argc: c_int, argv: *mut JSValue, _: c_int) -> JSValue {
    #[repr(C, align(8))]
    struct Rights {
        header: cmsghdr,
        descriptors: [c_int; 2],
    }
    unsafe {
        let fd = qjs::JS_VALUE_GET_INT(arg(argc, argv, 0));
        let mut pair = [-1; 2];
        if socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair.as_mut_ptr()) == 0 {
            let mut rights: Rights = core::mem::zeroed();
            rights.header.cmsg_level = SOL_SOCKET;
            rights.header.cmsg_type = SCM_RIGHTS;
            rights.header.cmsg_len = CMSG_LEN(8) as _;
            rights.descriptors = [fd, pair[1]]; // the receiver itself: so nothing else holds it
            let mut part = iovec { iov_base: (&raw mut pair).cast(), iov_len: 1 };
            let mut message: msghdr = core::mem::zeroed();
            message.msg_iov = &raw mut part;
            message.msg_iovlen = 1;
            message.msg_control = (&raw mut rights).cast();
            message.msg_controllen = CMSG_SPACE(8) as _;
            sendmsg(pair[0], &message, MSG_DONTWAIT);
            close(pair[0]);
            close(pair[1]);
        }
        number(close(fd) as i64)
    }
}

/// `load(name): exports | undefined`: another plugin of this executable, in the same engine.
unsafe extern "C" fn load(ctx: *mut JSContext, _: JSValue, argc: c_int, argv: *mut JSValue, _: c_int) -> JSValue {
    unsafe {
        match string_arg(ctx, arg(argc, argv, 0)).as_ref().and_then(|name| name.to_str().ok()) {
            Some(name) => exports(ctx, name),
            None => qjs::JS_UNDEFINED,
        }
    }
}

/// `lineMap(): string`
unsafe extern "C" fn line_map(ctx: *mut JSContext, _: JSValue, _: c_int, _: *mut JSValue, _: c_int) -> JSValue {
    unsafe { archive().read(archive().map).map_or(qjs::JS_UNDEFINED, |map| text(ctx, map)) }
}

/// `env(name): string | Uint8Array | undefined`: bytes where the value is not UTF-8.
unsafe extern "C" fn env(ctx: *mut JSContext, _: JSValue, argc: c_int, argv: *mut JSValue, _: c_int) -> JSValue {
    unsafe {
        let Some(name) = string_arg(ctx, arg(argc, argv, 0)) else {
            return qjs::JS_UNDEFINED;
        };
        let value = getenv(name.as_ptr());
        if value.is_null() {
            return qjs::JS_UNDEFINED;
        }
        let bytes = CStr::from_ptr(value).to_bytes();
        match core::str::from_utf8(bytes) {
            Ok(_) => text(ctx, bytes),
            Err(_) => qjs::JS_NewUint8ArrayCopy(ctx, bytes.as_ptr(), bytes.len() as _),
        }
    }
}

unsafe fn list(ctx: *mut JSContext, items: impl Iterator<Item = String>) -> JSValue {
    unsafe {
        let array = qjs::JS_NewArray(ctx);
        for (at, item) in items.enumerate() {
            qjs::JS_SetPropertyUint32(ctx, array, at as u32, text(ctx, item.as_bytes()));
        }
        array
    }
}

/// `arguments(): string[]`: the command line after the name.
unsafe extern "C" fn arguments(ctx: *mut JSContext, _: JSValue, _: c_int, _: *mut JSValue, _: c_int) -> JSValue {
    unsafe {
        let words = (1..ARGUMENTS.0).map(|at| CStr::from_ptr(*ARGUMENTS.1.add(at as usize)));
        list(ctx, words.map(|word| String::from_utf8_lossy(word.to_bytes()).into_owned()))
    }
}

/// `plugins(): string[]`: every name this executable answers to.
unsafe extern "C" fn plugins(ctx: *mut JSContext, _: JSValue, _: c_int, _: *mut JSValue, _: c_int) -> JSValue {
    unsafe { list(ctx, archive().names.iter().cloned()) }
}

/// `buildId(): Uint8Array` of 16 bytes; copies of one build share it though not their inode.
unsafe extern "C" fn build_id(ctx: *mut JSContext, _: JSValue, _: c_int, _: *mut JSValue, _: c_int) -> JSValue {
    unsafe { qjs::JS_NewUint8ArrayCopy(ctx, archive().build_id.as_ptr(), 16) }
}
