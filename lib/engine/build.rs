//! The executable does without Rust's standard library, which would have named C's libraries for it.

fn main() {
    for argument in ["-Wl,-Bstatic", "-Wl,--start-group", "-lc", "-lm", "-lgcc", "-lgcc_eh", "-Wl,--end-group"] {
        println!("cargo:rustc-link-arg-bin=flatnet-engine={argument}");
    }
}
