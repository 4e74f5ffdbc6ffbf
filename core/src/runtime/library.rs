//! Searches for the ONNX Runtime library and checks its version.

use std::env;
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::util::paths;
use crate::{Error, Result};

/// The oldest minor version 1.x with the API version that gani uses.
const OLDEST: u32 = 23;
/// The newest minor version 1.x without usage reporting. Linux builds from 1.29 contain it, and the API cannot turn it off.
const NEWEST_WITHOUT_TELEMETRY: u32 = 28;

/// A version of ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32, u32, u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A library file that may be loaded. `version` is `None` if the file does not contain it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LibraryFile {
    pub path: PathBuf,
    pub version: Option<Version>,
}

/// The library to load: `wanted` if given, else the newest in the first folder with a usable one.
pub(super) fn find(wanted: Option<&Path>) -> Result<LibraryFile> {
    let telemetry_is_off = env::var("ORT_DISABLE_TELEMETRY").is_ok_and(|v| v == "1");
    let from_env = env::var_os("ORT_DYLIB_PATH").filter(|p| !p.is_empty()).map(PathBuf::from);
    let explicit = wanted.map(|p| (p.to_owned(), "the requested library"));
    if let Some((path, why)) = explicit.or(from_env.map(|p| (p, "ORT_DYLIB_PATH"))) {
        return match path.is_dir() {
            true => find_in(&[path], telemetry_is_off),
            false if path.is_file() => accept(path, telemetry_is_off),
            false => {
                Err(Error::Runtime(format!("{} ({why}) does not exist. {}", path.display(), how_to_get_it())))
            }
        };
    }
    let mut searched = Vec::from_iter(paths::library_folder());
    searched.extend(folders(paths::own_file().as_deref(), data_folder().as_deref()));
    find_in(&searched, telemetry_is_off)
}

/// What a user without the library can do. Every message about a missing library ends with it.
pub(super) fn how_to_get_it() -> String {
    let folder = data_folder().map_or_else(|| "a folder".to_owned(), |d| d.display().to_string());
    format!(
        "Put {} of ONNX Runtime 1.{NEWEST_WITHOUT_TELEMETRY} into {folder}, or set ORT_DYLIB_PATH to its path",
        file_name()
    )
}

fn file_name() -> String {
    format!("{}onnxruntime{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX)
}

fn data_folder() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.data_dir().join("gani").join("lib"))
}

/// Folders to search, in order. `file` is gani's program or shared library, `data` the user's data folder for libraries.
fn folders(file: Option<&Path>, data: Option<&Path>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(bin) = file.and_then(Path::parent) {
        folders.push(bin.to_owned());
        folders.extend(bin.parent().map(|prefix| prefix.join("lib")));
        // In a checkout, programs are in target/debug or target/debug/deps, and the library is in .gani/lib.
        let built = bin.ancestors().take(3).find(|a| a.file_name().is_some_and(|name| name == "target"));
        folders.extend(built.and_then(Path::parent).map(|root| root.join(".gani").join("lib")));
    }
    folders.extend(data.map(Path::to_owned));
    folders
}

fn find_in(folders: &[PathBuf], telemetry_is_off: bool) -> Result<LibraryFile> {
    let mut skipped = String::new();
    for folder in folders {
        let mut candidates: Vec<LibraryFile> = library_files(folder)
            .into_iter()
            .map(|path| LibraryFile { version: version_of(&path), path })
            .collect();
        // The newest first, in case an older library is left over in the folder.
        candidates.sort_by(|a, b| b.version.cmp(&a.version).then_with(|| a.path.cmp(&b.path)));
        for candidate in candidates {
            match check(&candidate, telemetry_is_off) {
                Ok(()) => return Ok(candidate),
                Err(reason) => {
                    log::warn!("skipped {}: {reason}", candidate.path.display());
                    skipped += &format!(" {} was skipped: {reason}.", candidate.path.display());
                }
            }
        }
    }
    let searched: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    Err(Error::Runtime(format!(
        "ONNX Runtime ({}) was not found in {}.{skipped} {}",
        file_name(),
        searched.join(", "),
        how_to_get_it()
    )))
}

fn accept(path: PathBuf, telemetry_is_off: bool) -> Result<LibraryFile> {
    let found = LibraryFile { version: version_of(&path), path };
    match check(&found, telemetry_is_off) {
        Ok(()) => Ok(found),
        Err(reason) => Err(Error::Runtime(format!(
            "{} cannot be used: {reason}. {}",
            found.path.display(),
            how_to_get_it()
        ))),
    }
}

fn check(found: &LibraryFile, telemetry_is_off: bool) -> std::result::Result<(), String> {
    match found.version {
        Some(v) if v < Version(1, OLDEST, 0) => Err(format!(
            "ONNX Runtime {v} is too old; 1.{OLDEST} to 1.{NEWEST_WITHOUT_TELEMETRY} are accepted"
        )),
        Some(v) if v >= Version(1, NEWEST_WITHOUT_TELEMETRY + 1, 0) && !telemetry_is_off => Err(format!(
            "ONNX Runtime {v} may report usage over the network; set ORT_DISABLE_TELEMETRY=1 in the environment to \
             prevent that"
        )),
        Some(_) => Ok(()),
        None => {
            log::debug!("{} does not contain its version", found.path.display());
            Ok(())
        }
    }
}

/// Files in `folder` with the library's name, perhaps with a version after `.so` or before `.dylib`.
fn library_files(folder: &Path) -> Vec<PathBuf> {
    let stem = format!("{}onnxruntime", env::consts::DLL_PREFIX);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let named_so = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        // "libonnxruntime_providers_cuda.so" and similar files have '_' here.
        name.strip_prefix(&stem).is_some_and(|rest| {
            rest.starts_with('.') && format!("{rest}.").contains(&format!("{}.", env::consts::DLL_SUFFIX))
        })
    };
    entries.filter_map(|e| e.ok().map(|e| e.path())).filter(named_so).filter(|p| p.is_file()).collect()
}

/// The version of a library file, without loading it: from the ELF symbol version `VERS_1.28.0`, else from its name.
fn version_of(path: &Path) -> Option<Version> {
    const HEAD: u64 = 4 << 20; // symbol versions are near the start: at byte 19,336 of 24 million in 1.28.0
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

/// Parses "1.28.0" at the start of `text` and ignores the rest.
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
    fn missing_old_and_telemetry_libraries_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = [dir.path().to_owned()];
        let text = find_in(&folder, false).unwrap_err().to_string();
        assert!(text.contains("ORT_DYLIB_PATH") && text.contains(&folder[0].display().to_string()), "{text}");

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
