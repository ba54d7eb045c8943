//! The executable: finds out which plugin it is, opens the door, runs `main()` of that plugin's bundle.
//!
//! `main` is C's and not Rust's: Rust's own start-up (signal stack, descriptor checks) buys nothing here.
//! Rust's standard library is not linked in either: its backtraces alone weigh 300 kB.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use core::ffi::{CStr, c_char, c_int};
use flatnet_engine::{archive::Archive, arena, descriptors, door, engine, image, last_words};
use rquickjs::qjs;

#[global_allocator]
static HEAP: arena::Arena = arena::Arena;

/// Named by the unwind tables of the precompiled parts of Rust; a panic ends the process, so nothing calls it.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    last_words::fail("the engine failed", info.message().as_str().unwrap_or("a panic"))
}

/// # Safety
/// Called once, by C's start-up code, with what the kernel put on the stack.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    last_words::install();
    door::set_arguments(argc, argv);
    let argument = |at: c_int| unsafe {
        if at < argc { CStr::from_ptr(*argv.add(at as usize)).to_str().unwrap_or("") } else { "" }
    };
    let archive = match Archive::open_own() {
        Ok(archive) => Box::leak(Box::new(archive)),
        Err(why) => last_words::fail("cannot load the plugin", why),
    };
    archive.fd = descriptors::settle(archive.fd);
    if archive.image.length == 0 && argument(1) == "--image" {
        write_image(archive, argument(2));
    }
    let name = resolve(archive, argument(0));
    if name == "flatnet" && argument(1) == "verify" {
        verify((2..argc).map(argument));
    }
    run(archive, name)
}

/// The name of the file itself, for when it was reached through a link of another name.
fn own_name() -> String {
    let mut path = [0u8; 4096];
    let n = unsafe { libc::readlink(c"/proc/self/exe".as_ptr(), path.as_mut_ptr().cast(), path.len()) };
    String::from_utf8_lossy(&path[..n.max(0) as usize]).into_owned()
}

fn resolve<'a>(archive: &'a Archive, called: &str) -> &'a str {
    archive.resolve(called).or_else(|| archive.resolve(&own_name())).unwrap_or_else(|| {
        last_words::fail(
            &format!("\"{called}\" is not the name of a flatnet plugin"),
            &format!("this executable is chosen by its name; link it as one of: {}", archive.names.join(", ")),
        )
    })
}

const OWN: &str = "/proc/self/exe";

/// `flatnet verify [FILE…]`: this executable, or others, against the digest in them. It runs before anything of the
/// archive does, because what is damaged must not judge itself. The exit status: 0 all are whole, 1 one is not.
fn verify<'a>(paths: impl Iterator<Item = &'a str>) -> ! {
    let mut status = 0;
    let mut say = |path: &str| {
        let opened = match path {
            OWN => Archive::open_own(),
            _ => CString::new(path).map_err(|_| "no path has a NUL").and_then(|path| Archive::open(&path)),
        };
        let result = opened.and_then(|archive| archive.verify());
        let (descriptor, words) = match result {
            Ok(()) => (1, "as it was built"),
            Err(why) => (2, why),
        };
        status = status.max(descriptor - 1);
        let line = format!("{path}: {words}\n");
        unsafe { libc::write(descriptor, line.as_ptr().cast(), line.len()) };
    };
    let mut paths = paths.peekable();
    if paths.peek().is_none() {
        say(OWN);
    }
    paths.for_each(say);
    unsafe { libc::_exit(status) }
}

fn run(archive: &'static Archive, name: &str) -> ! {
    let restored = if debugging() { None } else { image::restore(archive.fd, archive.image) };
    unsafe {
        let image::Restored { context: ctx, door, plugins } =
            restored.unwrap_or_else(|| evaluate(archive, image::plan("dense")));
        door::open(ctx, door, plugins, archive, name);
        set_stack(ctx);
        let exports = door::exports(ctx, name);
        let main =
            if qjs::JS_IsObject(exports) { qjs::JS_GetPropertyStr(ctx, exports, c"main".as_ptr()) } else { exports };
        let status = if qjs::JS_IsException(main) {
            main
        } else {
            qjs::JS_Call(ctx, main, qjs::JS_UNDEFINED, 0, core::ptr::null_mut())
        };
        if qjs::JS_IsInt(status) {
            // Nothing is freed: the kernel does it faster.
            libc::_exit(qjs::JS_VALUE_GET_INT(status));
        }
        fail_with_exception(ctx)
    }
}

unsafe fn set_stack(context: *mut qjs::JSContext) {
    if unsafe { !engine::set_stack(qjs::JS_GetRuntime(context)) } {
        last_words::fail("cannot start the engine", "the stack is too small: raise ulimit -s to 256 or more");
    }
}

/// Whether to run the code that knows its line numbers.
fn debugging() -> bool {
    unsafe {
        let value = libc::getenv(c"FLATNET_DEBUG".as_ptr());
        !value.is_null() && CStr::from_ptr(value) == c"1"
    }
}

/// An engine with the suite's bytecode evaluated in it: the long way to what an image holds.
fn evaluate(archive: &Archive, layout: image::Plan) -> image::Restored {
    let (layout, rooms) = layout;
    if !arena::create(layout, rooms) {
        last_words::fail("cannot start the engine", "no memory, or its address is taken");
    }
    let Some(context) = engine::start() else {
        last_words::fail("cannot start the engine", "out of memory");
    };
    let code = archive.read(archive.code).unwrap_or_else(|why| last_words::fail("cannot load the plugin", why));
    unsafe {
        set_stack(context);
        let door = door::build(context);
        let exports = engine::evaluate(context, code);
        if !qjs::JS_IsObject(exports) {
            fail_with_exception(context);
        }
        let plugins = qjs::JS_GetPropertyStr(context, exports, c"plugins".as_ptr());
        image::Restored { context, door, plugins }
    }
}

/// As QuickJS says it (JS_ThrowOutOfMemory).
const OUT_OF_MEMORY: &str = "out of memory";

/// As QuickJS says where it has memory for an error and none for its words (JS_MakeError2).
const WORDLESS: &str = "Invalid error message";

unsafe fn fail_with_exception(ctx: *mut qjs::JSContext) -> ! {
    unsafe {
        let error = qjs::JS_GetException(ctx);
        // The engine throws null where it has no memory for an error, and then it may have none for words either.
        let words = if qjs::JS_IsNull(error) { core::ptr::null() } else { qjs::JS_ToCString(ctx, error) };
        let details = if words.is_null() { OUT_OF_MEMORY } else { CStr::from_ptr(words).to_str().unwrap_or("") };
        // An error that says nothing but its class is one whose words found no room.
        let is_class_alone = details.bytes().all(|byte| byte.is_ascii_alphabetic());
        if is_class_alone || details.ends_with(OUT_OF_MEMORY) || details.ends_with(WORDLESS) {
            last_words::fail(
                OUT_OF_MEMORY,
                "the plugin needs more than ulimit -v and ulimit -d allow, or more than 256 MiB",
            );
        }
        last_words::fail("the plugin failed with an unexpected error", details)
    }
}

/// At build time: evaluates the suite and writes the heap to stdout.
fn write_image(archive: &Archive, layout: &str) -> ! {
    let image::Restored { context, door, plugins } = evaluate(archive, image::plan(layout));
    unsafe {
        qjs::JS_RunGC(qjs::JS_GetRuntime(context));
        let mut bytes = image::seal(context, door, plugins);
        while !bytes.is_empty() {
            let n = libc::write(1, bytes.as_ptr().cast(), bytes.len());
            if n <= 0 {
                libc::_exit(1);
            }
            bytes = &bytes[n as usize..];
        }
        libc::_exit(0)
    }
}
