//! How the module is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Lua unloads a module when it ends, and may still have finalizers of it to call.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
