//! Opening of untrusted files: regular files only, with a limit on their size.
//!
//! Devices and pipes are refused: `/dev/zero` never ends, and opening a pipe waits for a writer.

use crate::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Opens a regular file of at most `limit` bytes for reading, and returns it with its size in bytes.
///
/// # Errors
/// [`Error::Io`] if it cannot be opened; [`Error::Input`] for a folder, device, pipe or socket; [`Error::Limits`] if it is larger.
pub fn open_regular(path: &Path, limit: u64) -> Result<(File, u64)> {
    let io = |source| Error::Io { path: path.into(), doing: "reading", source };
    // Before the file is opened, because opening a pipe blocks.
    let kind = std::fs::metadata(path).map_err(io)?;
    if !kind.is_file() {
        let what = if kind.is_dir() { "a folder" } else { "a device or a pipe" };
        return Err(Error::Input(format!("{}: {what}, not a file", path.display())));
    }
    let file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    if size > limit {
        return Err(Error::Limits(format!(
            "{}: {size} bytes; at most {limit} bytes are supported",
            path.display()
        )));
    }
    Ok((file, size))
}

/// Reads a whole file as [`open_regular`] opens it.
///
/// # Errors
/// As [`open_regular`]; [`Error::Limits`] if the memory is not available.
pub fn read_regular(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let (file, size) = open_regular(path, limit)?;
    let mut bytes = reserved(size, &path.display().to_string())?;
    // A file that grows meanwhile is cut.
    let read = file.take(size).read_to_end(&mut bytes);
    read.map_err(|source| Error::Io { path: path.into(), doing: "reading", source })?;
    Ok(bytes)
}

/// An empty vector with room for `count` elements, a number that a file decides.
///
/// # Errors
/// [`Error::Limits`], prefixed with `name`, if the memory is not available. An ordinary allocation would abort the process.
pub fn reserved<T>(count: u64, name: &str) -> Result<Vec<T>> {
    let mut values = Vec::new();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    values.try_reserve_exact(count).map_err(|_| {
        let megabytes = count.saturating_mul(size_of::<T>()) >> 20;
        Error::Limits(format!("{name}: needs {megabytes} MB of memory, which are not available"))
    })?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_within_the_limit_are_opened() {
        let own = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        assert_eq!(read_regular(own, 1 << 20).unwrap(), std::fs::read(own).unwrap());
        assert!(matches!(open_regular(own, 10), Err(Error::Limits(_))));
        assert!(matches!(open_regular(own.parent().unwrap(), 10), Err(Error::Input(_))));
        assert!(matches!(open_regular(Path::new("/nowhere"), 10), Err(Error::Io { .. })));
        if cfg!(unix) {
            let text = open_regular(Path::new("/dev/zero"), 10).unwrap_err().to_string();
            assert!(text.contains("a device or a pipe"), "{text}");
        }
        assert!(matches!(reserved::<f32>(u64::MAX / 8, "a.npy"), Err(Error::Limits(_))));
    }
}
