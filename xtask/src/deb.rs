//! `cargo xtask deb`: builds the Debian packages `gani` and `libgani-dev`. Their contents are in `cli/Cargo.toml` and
//! `plugin-ffi/Cargo.toml`.
//!
//! The library is in `/usr/lib`, not in the folder of the architecture: then models and ONNX Runtime are where libgani searches,
//! relative to its own file, and the CMake and pkg-config files are those of `cargo xtask install`.

use crate::dist::{self, OUT};
use crate::{install, licenses, steps};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The builder. cargo installs it under `target`.
const BUILDER: [&str; 3] = ["cargo-deb", "--version", "3.8.0"];

/// Where GIMP 3 looks for plug-ins of all users, below `/usr`. The executable is a link: models are found relative to the program.
const GIMP_PLUG_IN: &str = "lib/x86_64-linux-gnu/gimp/3.0/plug-ins/gani-gimp/gani-gimp";

/// Files and folders that are copied unchanged, with their targets in `/usr`.
const FILES: [(&str, &str); 7] = [
    ("plugin-krita/pykrita", "share/krita/pykrita"),
    ("plugin-gimp/gani-gimp.metainfo.xml", "share/metainfo/gani-gimp.metainfo.xml"),
    ("plugin-krita/gani-krita.metainfo.xml", "share/metainfo/gani-krita.metainfo.xml"),
    ("README.md", "share/doc/gani/README.md"),
    ("CHANGELOG.md", "share/doc/gani/CHANGELOG.md"),
    ("docs/LICENCES.md", "share/doc/gani/docs/LICENCES.md"),
    ("examples/python", "share/doc/gani/examples/python"),
];

/// The same for `libgani-dev`; from what `cargo xtask install` installs.
const DEVELOPMENT: [&str; 4] = ["include/gani.h", "include/gani.hpp", "lib/pkgconfig", "lib/cmake"];

/// Shells, each with the place of its completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "share/bash-completion/completions/gani"),
    ("zsh", "share/zsh/vendor-completions/_gani"),
    ("fish", "share/fish/vendor_completions.d/gani.fish"),
];

/// Builds both packages into `out/dist` and returns their paths.
pub fn run() -> Result<[PathBuf; 2], String> {
    let packages = ["gani", "gani-ffi", "gani-gimp"].map(|name| ["--package", name]).concat();
    steps::cargo(&[&["build", "--release"][..], &packages].concat(), &[])?;
    let release = steps::target().join("release");
    let staged = release.join("debian");
    if staged.exists() {
        fs::remove_dir_all(&staged).map_err(|e| format!("cannot replace {}: {e}", staged.display()))?;
    }
    program(&staged.join("gani"), &release.join("gani"))?;
    development(&staged.join("libgani-dev"), &release.join("libgani.so"))?;
    let tools = steps::target().join("tools");
    steps::run(Command::new("cargo").args(["install", "--locked", "--root"]).arg(&tools).args(BUILDER))?;
    let builder = tools.join("bin").join("cargo-deb");
    let out = folder(&steps::root().join(OUT))?;
    let build = |package: &str| {
        // The models hardly compress: cargo-deb's own xz and zopfli take minutes to find out, gzip seconds.
        let compression = ["--compress-system", "--compress-type", "gz"];
        let arguments =
            [&compression[..], &["--no-build", "--strip", "--quiet", "--package", package, "--output"]]
                .concat();
        steps::read(Command::new(&builder).args(arguments).arg(&out)).map(|path| PathBuf::from(path.trim()))
    };
    Ok([build("gani")?, build("gani-ffi")?])
}

/// Stages the files of `gani` below `/usr`.
fn program(usr: &Path, gani: &Path) -> Result<(), String> {
    dist::copy_models(&usr.join("share/gani/models"))?;
    for (from, to) in FILES {
        dist::copy(&steps::root().join(from), &usr.join(to))?;
    }
    let licenses = usr.join("share/doc/gani/THIRD-PARTY.txt");
    licenses::write(&licenses)?;
    // Two megabytes of text; cargo-deb compresses only manual pages.
    steps::run(Command::new("gzip").arg("-9n").arg(&licenses))?;
    let pages = folder(&usr.join("share/man/man1"))?;
    steps::run(Command::new(gani).arg("manual").arg(pages))?;
    for (shell, to) in COMPLETIONS {
        let script = steps::read(Command::new(gani).args(["completions", shell]))?;
        let to = usr.join(to);
        folder(to.parent().unwrap_or(usr))?;
        fs::write(&to, script).map_err(|e| format!("cannot write {}: {e}", to.display()))?;
    }
    let plug_in = usr.join(GIMP_PLUG_IN);
    folder(plug_in.parent().unwrap_or(usr))?;
    install::link("/usr/bin/gani-gimp", &plug_in)
}

/// Stages the files of `libgani-dev` below `/usr`.
fn development(usr: &Path, library: &Path) -> Result<(), String> {
    let installed = tempfile::tempdir().map_err(|e| format!("cannot create a temporary folder: {e}"))?;
    install::run(installed.path(), Some(library))?;
    for name in DEVELOPMENT {
        dist::copy(&installed.path().join(name), &usr.join(name))?;
    }
    dist::copy(&steps::root().join("examples"), &usr.join("share/doc/libgani-dev/examples"))?;
    install::link("libgani.so.1", &usr.join("lib/libgani.so"))
}

fn folder(path: &Path) -> Result<PathBuf, String> {
    fs::create_dir_all(path).map_err(|e| format!("cannot create {}: {e}", path.display()))?;
    Ok(path.to_owned())
}
