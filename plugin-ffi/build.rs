//! Gives the shared library its name for the loader, and keeps it in memory once loaded.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => {
            // The number is GANI_ABI_VERSION: programs linked to another one do not start with this library.
            println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libgani.so.1");
            // ONNX Runtime's threads and Rust's thread locals do not survive their code being taken away.
            println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        }
        Ok("macos") => println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libgani.1.dylib"),
        _ => {}
    }
}
