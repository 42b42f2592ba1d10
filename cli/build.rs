//! Takes the unwinder of the C compiler into the programs. Its shared library would be a tenth of their start.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}
