//! An engine with only the intrinsics the plugins use. No `eval`: the parser is not linked in.

use rquickjs::{Context, Runtime, context::intrinsic, qjs};

pub type Intrinsics = (intrinsic::Json, intrinsic::MapSet, intrinsic::TypedArrays);

/// Bytes of engine heap after which allocation throws. A plugin needs about one megabyte.
const MEMORY_LIMIT: usize = 256 << 20;

pub struct Engine {
    _runtime: Runtime,
    pub context: Context,
}

impl Engine {
    pub fn new() -> Option<Engine> {
        let runtime = Runtime::new().ok()?;
        // A life of milliseconds ends before a collection would pay.
        runtime.set_gc_threshold(64 << 20);
        runtime.set_memory_limit(MEMORY_LIMIT);
        runtime.set_max_stack_size(stack_budget());
        let context = Context::custom::<Intrinsics>(&runtime).ok()?;
        Some(Engine { _runtime: runtime, context })
    }
}

/// Half of what the process was given, so that deep recursion is an exception and not a fault.
fn stack_budget() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) };
    (limit.rlim_cur as usize / 2).clamp(64 << 10, 1 << 20)
}

/// Evaluates a compiled bundle; its value is the bundle's exports.
///
/// # Safety
/// `code` must come from this build's own compiler: the engine trusts bytecode.
pub unsafe fn evaluate(ctx: *mut qjs::JSContext, code: &[u8]) -> qjs::JSValue {
    unsafe {
        let function = qjs::JS_ReadObject(ctx, code.as_ptr(), code.len() as _, qjs::JS_READ_OBJ_BYTECODE as i32);
        if qjs::JS_IsException(function) {
            return function;
        }
        qjs::JS_EvalFunction(ctx, function)
    }
}
