//! Link arguments of the shared library.
//!
//! The SONAME, which rustc leaves out: a program linked against `librefit.so.0` keeps working with every `0.x` of this ABI. And
//! `-z nodelete`: `dlclose` must not unload the code while the library's threads end, or while its panic hook is set.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if os == "linux" {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,librefit.so.0");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
