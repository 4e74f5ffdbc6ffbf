//! Writing files whole or not at all.

use crate::{Error, Result};
use std::io::Write;
use std::path::Path;

/// Writes `path` through a temporary file in the same folder, which is renamed at the end: a full disk, a crash or
/// a kill leaves what was there before.
///
/// # Errors
/// [`Error::Io`] naming the file and what the system said.
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

/// Temporary files are private to the user; a result gets the permissions that any new file has.
#[cfg(unix)]
fn share_permissions(file: &std::fs::File) {
    use std::os::unix::fs::PermissionsExt;
    // There is no way to read the umask without changing it; 0644 is what nearly every one gives.
    if let Err(e) = file.set_permissions(std::fs::Permissions::from_mode(0o644)) {
        log::debug!("the permissions of a new file could not be widened: {e}");
    }
}

#[cfg(not(unix))]
fn share_permissions(_: &std::fs::File) {}

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
