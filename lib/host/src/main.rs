//! The executable: finds out which plugin it is, opens the door, runs `main()` of that plugin's bundle.
//!
//! `main` is C's and not Rust's: Rust's own start-up (signal stack, descriptor checks) buys nothing here.
#![no_main]

use flatnet_host::{archive::Archive, door, engine, engine::Engine, last_words};
use rquickjs::qjs;
use std::ffi::{CStr, c_char, c_int};

#[unsafe(no_mangle)]
pub extern "C" fn main(_: c_int, argv: *const *const c_char) -> c_int {
    last_words::install();
    let status = run(unsafe { called_as(argv) });
    // Nothing is freed: the kernel does it faster.
    unsafe { libc::_exit(status) }
}

unsafe fn called_as<'a>(argv: *const *const c_char) -> &'a str {
    unsafe {
        if argv.is_null() || (*argv).is_null() { "" } else { CStr::from_ptr(*argv).to_str().unwrap_or("") }
    }
}

/// The name of the file itself, for when it was reached through a link of another name.
fn own_name() -> String {
    std::fs::read_link("/proc/self/exe").map_or(String::new(), |p| p.to_string_lossy().into_owned())
}

fn run(called: &str) -> i32 {
    let archive = match Archive::open(c"/proc/self/exe") {
        Ok(archive) => Box::leak(Box::new(archive)),
        Err(why) => last_words::fail("cannot load the plugin", why),
    };
    let Some(entry) = archive.resolve(called).or_else(|| archive.resolve(&own_name())) else {
        let known: Vec<&str> = archive.entries.iter().map(|e| e.name.as_str()).collect();
        last_words::fail(
            &format!("\"{called}\" is not the name of a flatnet plugin"),
            &format!("this executable is chosen by its name; link it as one of: {}", known.join(", ")),
        );
    };
    let code = match archive.read(if door::debugging() { entry.debug } else { entry.code }) {
        Ok(code) => code,
        Err(why) => last_words::fail("cannot load the plugin", why),
    };
    let Some(engine) = Engine::new() else {
        last_words::fail("cannot start the engine", "out of memory");
    };
    engine.context.with(|ctx| unsafe {
        let ctx = ctx.as_raw().as_ptr();
        door::open(ctx, archive, &entry.name);
        let exports = engine::evaluate(ctx, &code);
        let main = if qjs::JS_IsObject(exports) {
            qjs::JS_GetPropertyStr(ctx, exports, c"main".as_ptr())
        } else {
            exports
        };
        let status = if qjs::JS_IsException(main) {
            main
        } else {
            qjs::JS_Call(ctx, main, qjs::JS_UNDEFINED, 0, std::ptr::null_mut())
        };
        if qjs::JS_IsInt(status) {
            return qjs::JS_VALUE_GET_INT(status);
        }
        let error = qjs::JS_GetException(ctx);
        let words = qjs::JS_ToCString(ctx, error);
        let details = if words.is_null() { "" } else { CStr::from_ptr(words).to_str().unwrap_or("") };
        last_words::fail("the plugin failed in a way nobody foresaw", details)
    })
}
