//! Where the ONNX Runtime library is looked for, and which versions are taken.

use std::env;
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::util::paths;
use crate::{Error, Result};

/// The oldest minor version of 1.x that has the API gani is built against.
const OLDEST: u32 = 23;
/// The newest without usage reporting: Linux builds from 1.29 hold it, and the API alone does not stop it.
const NEWEST_QUIET: u32 = 28;

/// A release of ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32, u32, u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A library file that may be loaded. `version` is `None` where the file does not say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub path: PathBuf,
    pub version: Option<Version>,
}

/// The library to load: `wanted` itself, or the best of the first folder that has a usable one.
pub(super) fn find(wanted: Option<&Path>) -> Result<Found> {
    let reporting_is_off = env::var("ORT_DISABLE_TELEMETRY").is_ok_and(|v| v == "1");
    let from_env = env::var_os("ORT_DYLIB_PATH").filter(|p| !p.is_empty()).map(PathBuf::from);
    let explicit = wanted.map(|p| (p.to_owned(), "the library asked for"));
    if let Some((path, why)) = explicit.or(from_env.map(|p| (p, "ORT_DYLIB_PATH"))) {
        return match path.is_dir() {
            true => find_in(&[path], reporting_is_off),
            false if path.is_file() => accept(path, reporting_is_off),
            false => {
                Err(Error::Runtime(format!("{} ({why}) does not exist. {}", path.display(), how_to_get_it())))
            }
        };
    }
    find_in(&folders(paths::own_file().as_deref(), data_folder().as_deref()), reporting_is_off)
}

/// What a user does when there is no library; the end of every message about it.
pub(super) fn how_to_get_it() -> String {
    let folder = data_folder().map_or_else(|| "a folder".to_owned(), |d| d.display().to_string());
    format!(
        "In a checkout of gani run `cargo xtask setup`; elsewhere put {} of ONNX Runtime 1.{NEWEST_QUIET} into {folder}, \
         or set ORT_DYLIB_PATH to it",
        file_name()
    )
}

fn file_name() -> String {
    format!("{}onnxruntime{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX)
}

fn data_folder() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.data_dir().join("gani").join("lib"))
}

/// Folders searched, in order, for gani's own `file` (a program or a library) and a user whose data folder for libraries
/// is `data`.
fn folders(file: Option<&Path>, data: Option<&Path>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(bin) = file.and_then(Path::parent) {
        folders.push(bin.to_owned());
        folders.extend(bin.parent().map(|prefix| prefix.join("lib")));
        // What is built in a checkout lies in target/debug or target/debug/deps: `cargo xtask setup` fills .gani.
        let built = bin.ancestors().take(3).find(|a| a.file_name().is_some_and(|name| name == "target"));
        folders.extend(built.and_then(Path::parent).map(|root| root.join(".gani").join("lib")));
    }
    folders.extend(data.map(Path::to_owned));
    folders
}

fn find_in(folders: &[PathBuf], reporting_is_off: bool) -> Result<Found> {
    let mut refused = String::new();
    for folder in folders {
        let mut candidates: Vec<Found> = library_files(folder)
            .into_iter()
            .map(|path| Found { version: version_of(&path), path })
            .collect();
        // The newest first, so that an older library left behind does not win.
        candidates.sort_by(|a, b| b.version.cmp(&a.version).then_with(|| a.path.cmp(&b.path)));
        for candidate in candidates {
            match check(&candidate, reporting_is_off) {
                Ok(()) => return Ok(candidate),
                Err(reason) => {
                    log::warn!("passing over {}: {reason}", candidate.path.display());
                    refused += &format!(" {} was passed over: {reason}.", candidate.path.display());
                }
            }
        }
    }
    let searched: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    Err(Error::Runtime(format!(
        "ONNX Runtime ({}) was not found in {}.{refused} {}",
        file_name(),
        searched.join(", "),
        how_to_get_it()
    )))
}

fn accept(path: PathBuf, reporting_is_off: bool) -> Result<Found> {
    let found = Found { version: version_of(&path), path };
    match check(&found, reporting_is_off) {
        Ok(()) => Ok(found),
        Err(reason) => Err(Error::Runtime(format!(
            "{} is not used: {reason}. {}",
            found.path.display(),
            how_to_get_it()
        ))),
    }
}

fn check(found: &Found, reporting_is_off: bool) -> std::result::Result<(), String> {
    match found.version {
        Some(v) if v < Version(1, OLDEST, 0) => {
            Err(format!("ONNX Runtime {v} is too old, 1.{OLDEST} to 1.{NEWEST_QUIET} are accepted"))
        }
        Some(v) if v >= Version(1, NEWEST_QUIET + 1, 0) && !reporting_is_off => Err(format!(
            "ONNX Runtime {v} may report usage over the network, which only ORT_DISABLE_TELEMETRY=1 in the \
             environment prevents"
        )),
        Some(_) => Ok(()),
        None => {
            log::debug!("{} does not say its version", found.path.display());
            Ok(())
        }
    }
}

/// Files in `folder` that are named like the library: with the version after `.so` or before `.dylib`.
fn library_files(folder: &Path) -> Vec<PathBuf> {
    let stem = format!("{}onnxruntime", env::consts::DLL_PREFIX);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let named_so = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        // "libonnxruntime_providers_cuda.so" and the like have '_' here.
        name.strip_prefix(&stem).is_some_and(|rest| {
            rest.starts_with('.') && format!("{rest}.").contains(&format!("{}.", env::consts::DLL_SUFFIX))
        })
    };
    entries.filter_map(|e| e.ok().map(|e| e.path())).filter(named_so).filter(|p| p.is_file()).collect()
}

/// The version of a library file, without loading it: from the ELF symbol version `VERS_1.28.0`, else its name.
fn version_of(path: &Path) -> Option<Version> {
    const HEAD: u64 = 4 << 20; // the dynamic strings are at the front: byte 19,336 of 24 million in 1.28.0
    let mut head = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    let marker = b"VERS_";
    let in_symbols = read.ok().and_then(|_| {
        let at = head.windows(marker.len()).position(|w| w == marker)? + marker.len();
        let digits: Vec<u8> = head.get(at..)?.iter().copied().take(16).take_while(|&b| b != 0).collect();
        parse_version(std::str::from_utf8(&digits).ok()?)
    });
    in_symbols.or_else(|| {
        let real = path.canonicalize().ok()?;
        let name = real.file_name()?.to_str()?;
        parse_version(name.trim_start_matches(|c: char| !c.is_ascii_digit()))
    })
}

/// Reads "1.28.0" at the start of `text`; what follows the third number is ignored.
fn parse_version(text: &str) -> Option<Version> {
    let mut numbers = text.split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part.get(..digits)?.parse::<u32>().ok()
    });
    Some(Version(numbers.next()??, numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_names_and_symbols() {
        assert_eq!(parse_version("1.28.0"), Some(Version(1, 28, 0)));
        assert_eq!(parse_version("1.22.1.dylib"), Some(Version(1, 22, 1)));
        assert_eq!(parse_version("so"), None);
        let dir = tempfile::tempdir().unwrap();
        let elf = dir.path().join("libonnxruntime.so");
        fs::write(&elf, b"\x7fELF....\0VERS_1.27.3\0GLIBC_2.2\0").unwrap();
        assert_eq!(version_of(&elf), Some(Version(1, 27, 3)));
    }

    #[test]
    fn search_order() {
        let data = Path::new("/home/u/.local/share/gani/lib");
        let installed = folders(Some(Path::new("/opt/gani/bin/gani")), Some(data));
        assert_eq!(
            installed,
            ["/opt/gani/bin", "/opt/gani/lib", "/home/u/.local/share/gani/lib"].map(PathBuf::from)
        );
        let built = folders(Some(Path::new("/src/gani/target/debug/deps/photo-12")), None);
        assert_eq!(built.last(), Some(&PathBuf::from("/src/gani/.gani/lib")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn missing_old_and_reporting_libraries_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = [dir.path().to_owned()];
        let text = find_in(&folder, false).unwrap_err().to_string();
        assert!(
            text.contains("cargo xtask setup") && text.contains(&folder[0].display().to_string()),
            "{text}"
        );

        fs::write(dir.path().join("libonnxruntime.so.1.20.0"), "VERS_1.20.0\0").unwrap();
        fs::write(dir.path().join("libonnxruntime.so.1.31.0"), "VERS_1.31.0\0").unwrap();
        fs::write(dir.path().join("libonnxruntime_providers_cuda.so"), "").unwrap();
        let text = find_in(&folder, false).unwrap_err().to_string();
        assert!(text.contains("too old") && text.contains("report usage"), "{text}");
        assert_eq!(find_in(&folder, true).unwrap().version, Some(Version(1, 31, 0)));

        fs::write(dir.path().join("libonnxruntime.so"), "VERS_1.28.0\0").unwrap();
        assert_eq!(find_in(&folder, false).unwrap().path, dir.path().join("libonnxruntime.so"));
    }
}
