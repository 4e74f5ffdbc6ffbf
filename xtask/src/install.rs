//! `cargo xtask install --prefix DIR`: installs libgani for C and C++ programs, with CMake and pkg-config files.
//!
//! All paths are relative to the library or to the file that contains them, so DIR can be moved.

use crate::steps;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Installs the library `built`, or a new release build, into `prefix`.
pub fn run(prefix: &Path, built: Option<&Path>) -> Result<(), String> {
    // Commands run in the root folder, but the user's paths are relative to the current folder.
    let absolute = |path: &Path| std::path::absolute(path).map_err(|e| format!("{}: {e}", path.display()));
    let prefix = absolute(prefix)?;
    let library = match built {
        Some(built) => absolute(built)?,
        None => steps::build_library()?,
    };
    let folder = |name: &str| {
        let path = prefix.join(name);
        fs::create_dir_all(&path).map_err(|e| format!("cannot create {}: {e}", path.display()))?;
        Ok::<PathBuf, String>(path)
    };
    let (lib, include) = (folder("lib")?, folder("include")?);
    let name = if cfg!(target_os = "linux") {
        format!("{DLL_PREFIX}gani{DLL_SUFFIX}.{}", abi_version()?)
    } else {
        format!("{DLL_PREFIX}gani{DLL_SUFFIX}")
    };
    copy(&library, &lib.join(&name))?;
    #[cfg(target_os = "linux")]
    link(&name, &lib.join(format!("{DLL_PREFIX}gani{DLL_SUFFIX}")))?;
    for header in ["gani.h", "gani.hpp"] {
        copy(&steps::root().join("include").join(header), &include.join(header))?;
    }
    let version = env!("CARGO_PKG_VERSION");
    write(&folder("lib/pkgconfig")?.join("gani.pc"), &PKG_CONFIG.replace("@VERSION@", version))?;
    let cmake = folder("lib/cmake/gani")?;
    write(&cmake.join("gani-config.cmake"), &CMAKE.replace("@LIBRARY@", &name))?;
    write(&cmake.join("gani-config-version.cmake"), &CMAKE_VERSION.replace("@VERSION@", version))?;
    copy_folder(&steps::root().join("models"), &folder("share/gani/models")?)?;
    println!("libgani {version} is in {}", prefix.display());
    install_onnx_runtime(&lib)
}

/// The number in the library's file name: `GANI_ABI_VERSION` of `include/gani.h`.
fn abi_version() -> Result<u32, String> {
    let header = steps::root().join("include/gani.h");
    let text = fs::read_to_string(&header).map_err(|e| format!("cannot read {}: {e}", header.display()))?;
    let number = text.lines().find_map(|line| line.strip_prefix("#define GANI_ABI_VERSION "));
    number
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| format!("{} does not define GANI_ABI_VERSION", header.display()))
}

/// Copies ONNX Runtime to the folder of the library, if this machine has it.
fn install_onnx_runtime(lib: &Path) -> Result<(), String> {
    match steps::find_onnx_runtime() {
        Ok(library) => {
            copy(&library, &lib.join(library.file_name().unwrap_or_default()))?;
            let version = steps::onnx_runtime_version(&library);
            println!("with ONNX Runtime {}", version.unwrap_or_else(|| library.display().to_string()));
        }
        Err(error) => println!("without ONNX Runtime, which every user must install: {error}"),
    }
    Ok(())
}

const PKG_CONFIG: &str = "\
prefix=${pcfiledir}/../..
libdir=${prefix}/lib
includedir=${prefix}/include

Name: gani
Description: Invert portraits into StyleGAN2 generators and edit them
Version: @VERSION@
Libs: -L${libdir} -lgani
Cflags: -I${includedir}
";

const CMAKE: &str = "\
# find_package(gani) defines the target gani::gani.
get_filename_component(gani_prefix \"${CMAKE_CURRENT_LIST_DIR}/../../..\" ABSOLUTE)
if(NOT TARGET gani::gani)
  add_library(gani::gani SHARED IMPORTED)
  set_target_properties(gani::gani PROPERTIES
    IMPORTED_LOCATION \"${gani_prefix}/lib/@LIBRARY@\"
    IMPORTED_SONAME \"@LIBRARY@\"
    INTERFACE_INCLUDE_DIRECTORIES \"${gani_prefix}/include\")
endif()
";

const CMAKE_VERSION: &str = "\
# Versions 0.x are compatible if their second numbers are equal.
set(PACKAGE_VERSION \"@VERSION@\")
string(REGEX MATCH \"^[0-9]+\\\\.[0-9]+\" gani_series \"${PACKAGE_VERSION}\")
string(REGEX MATCH \"^[0-9]+\\\\.[0-9]+\" gani_wanted \"${PACKAGE_FIND_VERSION}\")
if(PACKAGE_VERSION VERSION_GREATER_EQUAL PACKAGE_FIND_VERSION AND gani_series STREQUAL gani_wanted)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
if(PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_EXACT TRUE)
endif()
";

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

/// Copies a file. An existing target is removed first, so programs that have loaded it are not affected.
pub fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let _ = fs::remove_file(to);
    fs::copy(from, to)
        .map(|_| ())
        .map_err(|e| format!("cannot copy {} to {}: {e}", from.display(), to.display()))
}

/// Copies the contents of a folder recursively with [`copy`].
pub fn copy_folder(from: &Path, to: &Path) -> Result<(), String> {
    let reading = |e: std::io::Error| format!("cannot read {}: {e}", from.display());
    fs::create_dir_all(to).map_err(|e| format!("cannot create {}: {e}", to.display()))?;
    for entry in fs::read_dir(from).map_err(reading)? {
        let path = entry.map_err(reading)?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() { copy_folder(&path, &target)? } else { copy(&path, &target)? }
    }
    Ok(())
}

/// Creates a symbolic link to `name`, which replaces an existing one.
pub fn link(name: &str, link: &Path) -> Result<(), String> {
    let _ = fs::remove_file(link);
    #[cfg(unix)]
    let created = std::os::unix::fs::symlink(name, link);
    #[cfg(not(unix))]
    let created: std::io::Result<()> = Err(std::io::ErrorKind::Unsupported.into());
    created.map_err(|e| format!("cannot create {} -> {name}: {e}", link.display()))
}

/// Compiles a C program against the libgani that is installed in `prefix`. `source` is relative to the root of the workspace.
pub fn compile_c(source: &str, flags: &[&str], prefix: &Path, program: &Path) -> Result<(), String> {
    let lib = prefix.join("lib");
    steps::run(
        Command::new("cc")
            .args(flags)
            .args([source, "-lgani", "-o"])
            .arg(program)
            .arg(format!("-I{}", prefix.join("include").display()))
            .arg(format!("-L{}", lib.display()))
            .arg(format!("-Wl,-rpath,{}", lib.display())),
    )
}
