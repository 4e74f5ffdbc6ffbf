//! Atomic writes, and hashes of files.

use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::path::Path;

/// Writes `path` completely or not at all: writes a temporary file in the same folder and renames it. If the disk is full, or the
/// process crashes or is killed, an existing file stays as it was.
///
/// # Errors
/// [`Error::Io`] with the path and the system's message.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let attempt = || {
        let mut file = tempfile::Builder::new().prefix(".gani-").suffix(".part").tempfile_in(folder)?;
        let mut buffered = std::io::BufWriter::new(file.as_file_mut());
        write(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        file.as_file().sync_all()?;
        share_permissions(file.as_file());
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    attempt().map_err(Error::io("writing", path))
}

/// Temporary files are readable by the user only. The result gets the permissions of an ordinary new file.
#[cfg(unix)]
fn share_permissions(file: &std::fs::File) {
    use std::os::unix::fs::PermissionsExt;
    // The umask cannot be read without changing it; 0644 is the result of the usual umask.
    if let Err(e) = file.set_permissions(std::fs::Permissions::from_mode(0o644)) {
        log::debug!("the permissions of a new file could not be set: {e}");
    }
}

#[cfg(not(unix))]
fn share_permissions(_: &std::fs::File) {}

/// sha256 of a file in hexadecimal.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut file = std::fs::File::open(path).map_err(Error::io("reading", path))?;
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block).map_err(Error::io("reading", path))? {
            0 => break,
            n => hash.update(&block[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.bin");
        write_whole(&path, |w| w.write_all(b"old")).unwrap();
        let failed = write_whole(&path, |w| {
            w.write_all(b"half")?;
            Err(std::io::Error::other("no space left"))
        });
        assert!(failed.unwrap_err().to_string().contains("no space left"));
        let full = write_whole(&path, |_| Err(std::io::ErrorKind::StorageFull.into()));
        assert!(full.unwrap_err().to_string().contains("free some space"));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left behind");
    }
}
