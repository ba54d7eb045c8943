//! `flatnet-pack HOST OUTPUT NAME BUNDLE MAP [NAME BUNDLE MAP …]`
//!
//! Compiles each bundle (a script whose value is its exports) to bytecode and appends all of them to a
//! copy of the host executable. Build-time only: this is where the parser lives.

use flatnet_host::archive;
use rquickjs::{Context, Runtime, qjs};
use sha2::{Digest, Sha256};
use std::{env, ffi::CString, fs, os::unix::fs::PermissionsExt, process::exit};

fn compile(name: &str, source: &str) -> Result<[Vec<u8>; 2], String> {
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
            let flags = qjs::JS_WRITE_OBJ_BYTECODE | strip;
            let at = qjs::JS_WriteObject(ctx, &mut length, function, flags as i32);
            std::slice::from_raw_parts(at, length as usize).to_vec()
        };
        Ok([write(qjs::JS_WRITE_OBJ_STRIP_DEBUG | qjs::JS_WRITE_OBJ_STRIP_SOURCE), write(qjs::JS_WRITE_OBJ_STRIP_SOURCE)])
    })
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.len() < 5 || (arguments.len() - 2) % 3 != 0 {
        eprintln!("usage: flatnet-pack HOST OUTPUT NAME BUNDLE MAP [NAME BUNDLE MAP …]");
        exit(2);
    }
    let read = |path: &str| fs::read(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let host = read(&arguments[0]);
    let mut plugins = Vec::new();
    let mut hash = Sha256::new_with_prefix(&host);
    for plugin in arguments[2..].chunks(3) {
        let source = String::from_utf8(read(&plugin[1])).expect("a bundle is UTF-8");
        let [code, debug] = compile(&plugin[0], &source).unwrap_or_else(|e| {
            eprintln!("{}: {e}", plugin[1]);
            exit(1);
        });
        hash.update(&code);
        println!("{:>12} {:>7} bytes of bytecode", plugin[0], code.len());
        plugins.push((plugin[0].clone(), [code, debug, read(&plugin[2])]));
    }
    let build_id: [u8; 16] = hash.finalize()[..16].try_into().unwrap();
    let mut out = host;
    out.extend(archive::pack(out.len() as u64, &plugins, build_id));
    let temporary = format!("{}.new", arguments[1]);
    fs::write(&temporary, &out).expect("write");
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o755)).expect("chmod");
    fs::rename(&temporary, &arguments[1]).expect("rename");
}
