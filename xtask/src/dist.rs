//! `cargo xtask dist`: packages gani as one archive for users without a compiler, and the zip that Krita imports.

use crate::{install, licenses, steps};
use std::env::consts::{ARCH, DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX, OS};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The output folder, relative to the root.
pub const OUT: &str = "out/dist";

/// The programs, without the platform's suffix.
const PROGRAMS: [&str; 2] = ["gani", "gani-gimp"];

/// Files and folders that are copied unchanged, with their targets in the archive.
const DOCUMENTS: [(&str, &str); 6] = [
    ("README.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("LICENSE-MIT", "licences/LICENSE-MIT"),
    ("LICENSE-APACHE", "licences/LICENSE-APACHE"),
    ("docs/LICENCES.md", "licences/LICENCES.md"),
    ("docs", "docs"),
];

/// Packages the builds in the folder `built`, or new release builds, into `out/dist`.
///
/// The archive contains one folder with `bin/`, `lib/`, `include/`, `share/gani/models/`, `plug-ins/`, `docs/` and
/// `licences/`. `gani plugin install` locates the other folders relative to `bin/`.
pub fn run(built: Option<&Path>) -> Result<(), String> {
    steps::install_onnx_runtime()?;
    let built = match built {
        Some(built) => std::path::absolute(built).map_err(failed("find", built))?,
        None => {
            let packages = ["gani", "gani-ffi", "gani-gimp"].map(|name| ["--package", name]).concat();
            steps::cargo(&[&["build", "--release"][..], &packages].concat(), &[])?;
            steps::target().join("release")
        }
    };
    let library = built.join(format!("{DLL_PREFIX}gani{DLL_SUFFIX}"));
    let out = steps::root().join(OUT);
    let name = format!("gani-{}-{OS}-{ARCH}", env!("CARGO_PKG_VERSION"));
    let stage = out.join(&name);
    if stage.exists() {
        fs::remove_dir_all(&stage).map_err(failed("replace", &stage))?;
    }
    install::run(&stage, Some(&library))?;
    for program in PROGRAMS {
        let program = format!("{program}{EXE_SUFFIX}");
        install::copy(&built.join(&program), &folder(&stage, "bin")?.join(&program))?;
    }
    folder(&stage, "licences")?;
    for (from, to) in DOCUMENTS {
        copy(&steps::root().join(from), &stage.join(to))?;
    }
    licenses::write(&stage.join("licences/THIRD-PARTY.txt"))?;
    for notice in notices(&steps::find_onnx_runtime()?) {
        install::copy(&notice, &stage.join("licences").join(notice.file_name().unwrap_or_default()))?;
    }
    let plug_ins = folder(&stage, "plug-ins")?;
    copy(&steps::root().join("plugin-krita/pykrita"), &plug_ins.join("pykrita"))?;
    krita_zip(&plug_ins.join("gani-krita.zip"), &library)?;
    let archive = format!("{name}.tar.gz");
    steps::run(Command::new("tar").arg("-C").arg(&out).args(["-czf"]).arg(out.join(&archive)).arg(&name))?;
    println!("wrote {OUT}/{archive}, and {OUT}/{name}/plug-ins/gani-krita.zip for Krita");
    Ok(())
}

/// Writes the zip for Krita's "Import Python Plugin from File": the plug-in with `library`, ONNX Runtime and the committed
/// models in its folder.
pub fn krita_zip(to: &Path, library: &Path) -> Result<(), String> {
    let root = steps::root();
    let onnx_runtime = steps::find_onnx_runtime()?;
    let mut files = vec![(root.join("plugin-krita/pykrita/gani.desktop"), "gani.desktop".to_string())];
    list(&root.join("plugin-krita/pykrita/gani"), "gani", &mut files)?;
    list(&root.join("models"), "gani/models", &mut files)?;
    let beside = |path: &Path| format!("gani/lib/{}", path.file_name().unwrap_or_default().to_string_lossy());
    files.push((library.to_owned(), format!("gani/lib/{DLL_PREFIX}gani{DLL_SUFFIX}")));
    for file in notices(&onnx_runtime).into_iter().chain([onnx_runtime]) {
        files.push((file.clone(), beside(&file)));
    }
    for (from, to) in DOCUMENTS.iter().filter(|(_, to)| to.starts_with("licences/")) {
        files.push((root.join(from), format!("gani/{to}")));
    }
    let part = to.with_extension("part");
    write_zip(&part, &files).map_err(failed("write", &part))?;
    fs::rename(&part, to).map_err(failed("write", to))
}

fn write_zip(to: &Path, files: &[(PathBuf, String)]) -> io::Result<()> {
    let mut zip = ZipWriter::new(File::create(to)?);
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    // Krita's importer requires an entry for the plug-in's folder itself.
    zip.add_directory("gani/", options)?;
    for (from, name) in files {
        zip.start_file(name.as_str(), options)?;
        io::copy(&mut File::open(from)?, &mut zip)?;
    }
    zip.finish()?.flush()
}

/// Lists the files below `from` with their names below `to`, without Python's cache folders.
fn list(from: &Path, to: &str, files: &mut Vec<(PathBuf, String)>) -> Result<(), String> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(from).map_err(failed("read", from))?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let target = format!("{to}/{name}");
        match path.is_dir() {
            true if name == "__pycache__" => {}
            true => list(&path, &target, files)?,
            false => files.push((path, target)),
        }
    }
    Ok(())
}

/// Copies a file, or a folder recursively. Creates missing folders.
pub fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    match from.is_dir() {
        true => list(from, "", &mut files)?,
        false => files.push((from.to_owned(), String::new())),
    }
    for (path, name) in files {
        let target = if name.is_empty() { to.to_owned() } else { to.join(name.trim_start_matches('/')) };
        let parent = target.parent().unwrap_or(to);
        fs::create_dir_all(parent).map_err(failed("create", parent))?;
        install::copy(&path, &target)?;
    }
    Ok(())
}

/// Copies the models for photos to the folder `to`.
pub fn copy_models(to: &Path) -> Result<(), String> {
    ["README.md", "common", "ffhq-1024"]
        .into_iter()
        .try_for_each(|name| copy(&steps::root().join("models").join(name), &to.join(name)))
}

fn folder(stage: &Path, name: &str) -> Result<PathBuf, String> {
    let path = stage.join(name);
    fs::create_dir_all(&path).map_err(failed("create", &path))?;
    Ok(path)
}

/// The license and notices that `cargo xtask setup` installs beside ONNX Runtime.
fn notices(library: &Path) -> Vec<PathBuf> {
    let folder = library.parent().unwrap_or(Path::new("."));
    let names = ["onnxruntime.LICENSE.txt", "onnxruntime.ThirdPartyNotices.txt"];
    names.into_iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect()
}

fn failed<'p>(act: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> String + 'p {
    move |error| format!("cannot {act} {}: {error}", path.display())
}
