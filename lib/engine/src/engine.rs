//! An engine with only the intrinsics the plugins use. No `eval`: the parser is not linked in.

use crate::arena::Arena;
use crate::stack;
use rquickjs::{Context, Runtime, context::intrinsic, qjs};

pub type Intrinsics = (intrinsic::Json, intrinsic::MapSet, intrinsic::TypedArrays);

/// Bytes of engine heap after which allocation throws. A plugin needs about one megabyte.
const MEMORY_LIMIT: usize = 256 << 20;

/// Starts an engine in the arena, which must exist; it is never torn down.
pub fn start() -> Option<*mut qjs::JSContext> {
    let runtime = Runtime::new_with_alloc(Arena).ok()?;
    // A life of milliseconds ends before a collection would pay.
    runtime.set_gc_threshold(64 << 20);
    runtime.set_memory_limit(MEMORY_LIMIT);
    let context = Context::custom::<Intrinsics>(&runtime).ok()?;
    let raw = context.as_raw().as_ptr();
    core::mem::forget((context, runtime));
    Some(raw)
}

/// Tells the engine about the stack it runs on now. False where there is too little for a call.
///
/// # Safety
/// `runtime` is live.
pub unsafe fn set_stack(runtime: *mut qjs::JSRuntime) -> bool {
    let Some(budget) = stack::budget() else { return false };
    unsafe {
        qjs::JS_UpdateStackTop(runtime);
        qjs::JS_SetMaxStackSize(runtime, budget as _);
    }
    true
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
