//! ONNX Runtime's CUDA build, and stubs of the CUDA libraries that it loads, generated from its list of imports.

use gani_fetch::{ONNX_RUNTIME, Wheel, fetch_wheel, unpack};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::steps;

/// The pinned release of ONNX Runtime, built for CUDA 13.
const ONNX_RUNTIME_GPU: Wheel = Wheel {
    name: "onnxruntime-gpu",
    version: ONNX_RUNTIME.version,
    sha256: "774d4c307317f7a0fefc33930820b7ac2a62be2c595e6a1e63e318555f7176b8",
    build: ONNX_RUNTIME.build,
    megabytes: 250,
};

/// The file of the CUDA provider, which links to the CUDA libraries.
const PROVIDER: &str = "libonnxruntime_providers_cuda.so";

/// Downloads the libraries into `folder` and compiles the stubs, unless both are there. Returns the path of ONNX Runtime.
pub fn prepare(folder: &Path) -> Result<PathBuf, String> {
    let (library, stamp) = (folder.join("libonnxruntime.so"), folder.join("stamp"));
    let source = steps::root().join("xtask/dev/cuda/stubs.c");
    let read =
        |path: &Path| fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()));
    let wanted = ONNX_RUNTIME_GPU.requirement() + "\n" + &read(&source)?;
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(library);
    }
    steps::need_programs(&[("cc", "gcc"), ("objdump", "binutils")])?;
    fs::create_dir_all(folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
    if !folder.join(PROVIDER).is_file() {
        fetch(folder, &library)?;
    }
    for (name, symbols) in imports(&folder.join(PROVIDER))? {
        compile(folder, &name, &symbols, &source)?;
    }
    fs::write(&stamp, wanted).map_err(|e| format!("cannot write {}: {e}", stamp.display()))?;
    Ok(library)
}

/// Downloads the libraries. The provider is moved last, so its presence implies that of the others.
fn fetch(folder: &Path, library: &Path) -> Result<(), String> {
    let work =
        tempfile::tempdir_in(folder).map_err(|e| format!("cannot write to {}: {e}", folder.display()))?;
    println!("downloading ONNX Runtime for CUDA ({} MB) through pip", ONNX_RUNTIME_GPU.megabytes);
    let wheel = fetch_wheel(&ONNX_RUNTIME_GPU, work.path()).map_err(|e| e.to_string())?;
    let wanted = |name: &str| {
        let file = name.strip_prefix("onnxruntime/capi/").unwrap_or_default();
        file.starts_with("libonnxruntime.so")
            || file == "libonnxruntime_providers_shared.so"
            || file == PROVIDER
    };
    let mut files = unpack(&wheel, wanted, work.path()).map_err(|e| e.to_string())?;
    files.sort_by_key(|file| file.ends_with(PROVIDER));
    for file in files {
        let to = match file.file_name() {
            Some(name) if !name.to_string_lossy().starts_with("libonnxruntime.so") => folder.join(name),
            _ => library.to_owned(),
        };
        fs::rename(&file, &to).map_err(|e| format!("cannot write {}: {e}", to.display()))?;
    }
    Ok(())
}

/// The CUDA libraries that `provider` links to, with the functions it imports from each.
fn imports(provider: &Path) -> Result<BTreeMap<String, Vec<String>>, String> {
    let listing =
        steps::read(Command::new("objdump").args(["--private-headers", "--dynamic-syms"]).arg(provider))?;
    Ok(parse(&listing))
}

/// Parses lines such as `NEEDED libcudart.so.13` and `0000 DF *UND* 0000 (libcudart.so.13) cudaMalloc`.
fn parse(listing: &str) -> BTreeMap<String, Vec<String>> {
    let mut libraries = BTreeMap::new();
    for line in listing.lines() {
        match *line.split_whitespace().collect::<Vec<_>>() {
            ["NEEDED", name] if name.starts_with("libcu") => {
                libraries.entry(name.to_owned()).or_insert_with(Vec::new);
            }
            [.., "*UND*", _, version, symbol] => {
                let library = version.trim_matches(['(', ')']);
                if let Some(symbols) = libraries.get_mut(library) {
                    symbols.push(symbol.to_owned());
                }
            }
            _ => {}
        }
    }
    libraries
}

/// Compiles the stub of one library. The functions of `source` override its weak ones.
fn compile(folder: &Path, name: &str, symbols: &[String], source: &Path) -> Result<(), String> {
    let (code, versions) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.map")));
    let weak = symbols.iter().map(|s| format!("__attribute__((weak)) long {s}(void) {{ return 0; }}\n"));
    let write = |path: &Path, text: String| {
        fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
    };
    write(&code, weak.collect())?;
    write(&versions, format!("{name} {{ global: *; }};\n"))?;
    // -w: the generated functions conflict with builtin declarations of the compiler.
    steps::run(
        Command::new("cc")
            .args(["-std=c11", "-O1", "-w", "-shared", "-fPIC"])
            .args([&code, source])
            .arg(format!("-Wl,-soname,{name},--version-script={}", versions.display()))
            .arg("-o")
            .arg(folder.join(name)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_grouped_by_library() {
        let listing = "\
  NEEDED               libcudart.so.13
  NEEDED               libcuda.so.1
  NEEDED               libc.so.6
0000000000000000      DF *UND*\t0000000000000000 (libcudart.so.13) cudaMalloc
0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.2.5) free
0000000000000000      D  *UND*\t0000000000000000  Base        Provider_GetHost
00000000000a2110 g    DF .text\t0000000000000026  Base        GetProvider
";
        let found = parse(listing);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["libcuda.so.1", "libcudart.so.13"]);
        assert_eq!(found["libcudart.so.13"], ["cudaMalloc"]);
        assert!(found["libcuda.so.1"].is_empty());
    }
}
