//! Atomic writes, and hashes of files.

use super::work_folder::clean;
use crate::{Error, Result};
use gani_onnx::file::open_regular;
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata, Permissions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Prefix of all temporary files and folders. Those of dead processes are removed by [`clean`].
pub(super) const TEMPORARY: &str = ".gani-";
/// End of the names of temporary files.
pub(super) const PART: &str = ".part";

/// Writes `path` completely or not at all: writes a temporary file in the same folder and renames it. If the disk is full, or the
/// process crashes or is killed, an existing file stays as it was. What earlier processes left in the folder is removed first.
///
/// A new file gets the permissions that the umask leaves, and an existing one keeps its permissions. Of a symbolic link, the file
/// that it points to is replaced.
///
/// # Errors
/// [`Error::Input`] if `path` is a device, a pipe or a folder. [`Error::Io`] with the path and the system's message.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let destination = Destination::of(path)?;
    let folder = destination.folder();
    clean(&folder);
    let attempt = || {
        let mut file = temporary_file(&folder)?;
        let mut buffered = std::io::BufWriter::new(file.as_file_mut());
        write(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        if let Some(permissions) = &destination.permissions {
            file.as_file().set_permissions(permissions.clone())?;
        }
        file.as_file().sync_all()?;
        file.persist(&destination.path).map_err(|e| e.error)?;
        Ok(())
    };
    attempt().map_err(Error::io("writing", path))
}

/// Copies a file with its permissions, completely or not at all. A symbolic link at `to` is replaced, not followed.
///
/// # Errors
/// [`Error::Io`] with the path and the system's message.
pub fn copy_whole(from: &Path, to: &Path) -> Result<()> {
    let folder = folder_of(to);
    clean(folder);
    let mut source = File::open(from).map_err(Error::io("reading", from))?;
    let permissions = source.metadata().map_err(Error::io("reading", from))?.permissions();
    let attempt = || {
        let mut file = temporary_file(folder)?;
        std::io::copy(&mut source, file.as_file_mut())?;
        file.as_file().set_permissions(permissions)?;
        file.as_file().sync_all()?;
        file.persist(to).map_err(|e| e.error)?;
        Ok(())
    };
    attempt().map_err(Error::io("writing", to))
}

/// Checks that files can be created in `folder`.
///
/// # Errors
/// [`Error::Io`].
pub fn check_folder(folder: &Path) -> Result<()> {
    temporary_file(folder).map(drop).map_err(Error::io("writing to", folder))
}

/// The folder of a file: `.` for a plain name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The file that a write to a path replaces.
pub(super) struct Destination {
    /// The path, after symbolic links.
    pub path: PathBuf,
    /// Permissions of the existing file.
    pub permissions: Option<Permissions>,
}

impl Destination {
    /// # Errors
    /// As [`write_whole`].
    pub fn of(path: &Path) -> Result<Destination> {
        let target = match std::fs::symlink_metadata(path) {
            Ok(link) if link.is_symlink() => link_target(path).map_err(Error::io("following", path))?,
            _ => path.to_owned(),
        };
        let existing = match std::fs::metadata(&target) {
            Ok(metadata) => Some(metadata),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(Error::io("writing", path)(e)),
        };
        if existing.as_ref().is_some_and(|metadata| !metadata.is_file()) {
            let kind = if existing.is_some_and(|m| m.is_dir()) { "a folder" } else { "a device or a pipe" };
            return Err(Error::Input(format!(
                "{} is {kind}, not a regular file; choose another name",
                path.display()
            )));
        }
        Ok(Destination { path: target, permissions: existing.as_ref().map(Metadata::permissions) })
    }

    fn folder(&self) -> PathBuf {
        folder_of(&self.path).to_owned()
    }
}

/// The target of a symbolic link, which need not exist.
fn link_target(link: &Path) -> std::io::Result<PathBuf> {
    match link.canonicalize() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let target = std::fs::read_link(link)?;
            Ok(link.parent().unwrap_or(Path::new("")).join(target))
        }
        found => found,
    }
}

/// A new temporary file in `folder`, locked as long as it is open, so that [`clean`] leaves it.
fn temporary_file(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY).suffix(PART);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(Permissions::from_mode(0o666)); // less the umask
    }
    loop {
        let file = builder.tempfile_in(folder)?;
        lock(file.as_file());
        // Another process may have removed the file before it was locked.
        if file.path().exists() {
            return Ok(file);
        }
    }
}

/// Locks a file until it is closed. On file systems without locks, nothing is ever removed.
pub(super) fn lock(file: &File) {
    if let Err(e) = file.lock() {
        log::debug!("a temporary file cannot be locked: {e}");
    }
}

/// sha256 of a file in hexadecimal.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read; [`Error::Input`] if it is not a regular file.
pub fn sha256(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let (mut file, _) = open_regular(path, u64::MAX)?;
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block).map_err(Error::io("reading", path))? {
            0 => break,
            n => hash.update(&block[..n]),
        }
    }
    Ok(hexadecimal(&hash.finalize()))
}

/// sha256 of bytes in hexadecimal.
pub fn sha256_of(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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

    #[test]
    fn a_write_removes_what_dead_processes_left() {
        let folder = tempfile::tempdir().unwrap();
        let [left, mine] = [".gani-dead.part", ".gani-notes"].map(|name| folder.path().join(name));
        for write in [write_in as fn(&Path), copy_in] {
            std::fs::write(&left, b"half").unwrap();
            std::fs::write(&mine, b"mine").unwrap();
            write(folder.path());
            assert!(!left.exists() && mine.exists());
        }
        check_folder(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(check_folder(&folder.path().join("absent")).is_err());
    }

    fn write_in(folder: &Path) {
        write_whole(&folder.join("out.bin"), |w| w.write_all(b"new")).unwrap();
    }

    fn copy_in(folder: &Path) {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        copy_whole(&own, &folder.join("out.bin")).unwrap();
        assert_eq!(std::fs::read(folder.join("out.bin")).unwrap(), std::fs::read(own).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_are_kept_and_devices_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let [file, link, plain] = ["file", "link", "plain"].map(|name| folder.path().join(name));
        let new = |path: &Path| write_whole(path, |w| w.write_all(b"new"));

        File::create(&plain).unwrap();
        new(&file).unwrap();
        assert_eq!(mode(&file), mode(&plain), "the umask decides");
        std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        new(&file).unwrap();
        assert_eq!(mode(&file), 0o640);

        symlink("file", &link).unwrap();
        std::fs::write(&file, b"old").unwrap();
        new(&link).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        std::fs::remove_file(&file).unwrap();
        new(&link).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new", "a dangling link");

        let device = new(Path::new("/dev/null")).unwrap_err().to_string();
        assert!(device.contains("/dev/null is a device or a pipe"), "{device}");
        assert!(new(folder.path()).unwrap_err().to_string().contains("is a folder"));
    }
}
