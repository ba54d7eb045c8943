//! `flatnet-pack LAYOUT ENGINE OUTPUT BUNDLE MAP NAME…`, LAYOUT being `dense`, `spread` or a profile's path
//!
//! Compiles the suite's bundle (a script whose value is its exports) to bytecode, appends it to a copy
//! of the engine, lets that make an image of itself, and appends the image too. Build-time only:
//! this is where the parser lives.

mod touched;

use flatnet_engine::archive;
use rquickjs::{Context, Runtime, qjs};
use sha2::{Digest, Sha256};
use std::process::{Command, exit};
use std::{env, ffi::CString, fs, os::unix::fs::PermissionsExt};

/// Bytecode without line numbers, which the image is made of, and with them, which is kept beside it.
struct Code {
    small: Vec<u8>,
    traceable: Vec<u8>,
}

fn compile(name: &str, source: &str) -> Result<Code, String> {
    let runtime = Runtime::new().map_err(|e| e.to_string())?;
    let context = Context::full(&runtime).map_err(|e| e.to_string())?;
    context.with(|ctx| unsafe {
        let ctx = ctx.as_raw().as_ptr();
        let (text, file) = (CString::new(source).unwrap(), CString::new(name).unwrap());
        let flags = qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_COMPILE_ONLY | qjs::JS_EVAL_FLAG_STRICT;
        let function = qjs::JS_Eval(ctx, text.as_ptr(), source.len() as _, file.as_ptr(), flags as i32);
        if qjs::JS_IsException(function) {
            let error = qjs::JS_GetException(ctx);
            let words = qjs::JS_ToCString(ctx, error);
            return Err(std::ffi::CStr::from_ptr(words).to_string_lossy().into_owned());
        }
        let write = |strip: u32| {
            let mut length: qjs::size_t = 0;
            let flags = qjs::JS_WRITE_OBJ_BYTECODE | qjs::JS_WRITE_OBJ_STRIP_SOURCE | strip;
            let at = qjs::JS_WriteObject(ctx, &mut length, function, flags as i32);
            std::slice::from_raw_parts(at, length as usize).to_vec()
        };
        Ok(Code { small: write(qjs::JS_WRITE_OBJ_STRIP_DEBUG), traceable: write(0) })
    })
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [first, rest @ ..] = &arguments[..]
        && first == "touched"
    {
        touched::touched(rest);
    }
    let [layout, engine, output, bundle, map, names @ ..] = &arguments[..] else {
        eprintln!("usage: flatnet-pack LAYOUT ENGINE OUTPUT BUNDLE MAP NAME…");
        exit(2);
    };
    let read = |path: &str| fs::read(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let (engine, map) = (read(engine), read(map));
    let source = String::from_utf8(read(bundle)).expect("a bundle is UTF-8");
    let code = compile("flatnet", &source).unwrap_or_else(|e| {
        eprintln!("{bundle}: {e}");
        exit(1);
    });
    let hash = Sha256::new_with_prefix(&engine).chain_update(&code.traceable);
    let build_id: [u8; 16] = hash.finalize()[..16].try_into().unwrap();

    let temporary = format!("{output}.new");
    let write = |code: &[u8], image: &[u8]| {
        let out = archive::pack(&engine, names, &archive::deflate(code), &archive::deflate(&map), image, build_id);
        fs::write(&temporary, &out).expect("write");
        fs::set_permissions(&temporary, fs::Permissions::from_mode(0o755)).expect("chmod");
    };
    write(&code.small, &[]);
    // The executable itself knows how to make its image; it starts without one where it cannot.
    let image = match Command::new(fs::canonicalize(&temporary).expect("path")).args(["--image", layout]).output() {
        Ok(made) if made.status.success() => made.stdout,
        Ok(made) => panic!("no image: {}", String::from_utf8_lossy(&made.stdout)),
        Err(error) => panic!("no image: {error}"),
    };
    write(&code.traceable, &image);
    println!(
        "engine {} kB, bytecode {} kB, image {} kB",
        engine.len() >> 10,
        code.traceable.len() >> 10,
        image.len() >> 10
    );
    fs::rename(&temporary, output).expect("rename");
}
