//! Files that appear together: they are written to a hidden folder beside their destination and moved in one commit.

use super::files::{Destination, TEMPORARY};
use crate::{Error, Result};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// Name of the lock inside a work folder. The system releases it when the process ends, in whatever way.
const LOCK: &str = ".lock";
/// Name of the empty file that marks a complete set of files.
const COMMIT: &str = ".commit";

/// The hidden folder `.gani-NAME` in a parent folder. Dropping it without a commit removes it with its files.
///
/// If the process is killed before the commit, nothing has changed, and [`clean`] removes the folder later. If it is killed during
/// the commit, [`clean`] moves the remaining files.
pub struct WorkFolder {
    path: PathBuf,
    parent: PathBuf,
    /// Locked while this process uses the folder.
    _lock: File,
}

impl WorkFolder {
    /// Creates the folder for results called `name` in `parent`, which must exist.
    ///
    /// # Errors
    /// [`Error::Input`] if another process has the same folder in use; [`Error::Io`].
    pub fn new(parent: &Path, name: &str) -> Result<WorkFolder> {
        let path = parent.join(format!("{TEMPORARY}{name}"));
        finish(&path, parent)?;
        fs::create_dir_all(&path).map_err(Error::io("creating", &path))?;
        let lock_path = path.join(LOCK);
        let file = File::create(&lock_path).map_err(Error::io("creating", &lock_path))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(in_use(parent, name)),
            // Some network file systems have no locks.
            Ok(()) | Err(TryLockError::Error(_)) => {
                Ok(WorkFolder { path, parent: parent.to_owned(), _lock: file })
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves all files to the parent folder, replacing existing ones, and removes the work folder.
    ///
    /// # Errors
    /// [`Error::Input`] if a destination is not a regular file; [`Error::Io`].
    pub fn commit(self) -> Result<()> {
        for file in files(&self.path)? {
            Destination::of(&self.parent.join(file))?; // before anything is replaced
        }
        let mark = self.path.join(COMMIT);
        File::create(&mark).and_then(|f| f.sync_all()).map_err(Error::io("creating", &mark))?;
        move_files(&self.path, &self.parent)
    }

    /// Makes the work folder itself the folder `target`, a sibling, in place of an existing one; one of the two exists at any time.
    /// Relative paths in its files, such as `../common`, are the same before and after.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn into_folder(self, target: &Path) -> Result<()> {
        let lock = self.path.join(LOCK);
        fs::remove_file(&lock).map_err(Error::io("removing", &lock))?;
        let moved =
            if target.exists() { exchange(&self.path, target) } else { fs::rename(&self.path, target) };
        moved.map_err(Error::io("renaming to", target)) // dropping `self` removes the former folder
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // After a commit, the folder no longer exists.
        if self.path.exists()
            && !self.path.join(COMMIT).exists()
            && let Err(e) = fs::remove_dir_all(&self.path)
        {
            log::warn!("{} cannot be removed: {e}", self.path.display());
        }
    }
}

/// Finishes or removes what dead processes left in `folder`: work folders and temporary files. Failures are logged only.
pub fn clean(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !name.to_string_lossy().starts_with(TEMPORARY) {
            continue;
        }
        let path = entry.path();
        let done = match entry.file_type() {
            Ok(kind) if kind.is_dir() => finish(&path, folder),
            Ok(kind) if kind.is_file() => remove_unlocked(&path),
            _ => Ok(()),
        };
        if let Err(e) = done {
            log::debug!("left by an earlier run: {e}");
        }
    }
}

/// Commits or removes the work folder `path`, unless it does not exist or a process uses it.
fn finish(path: &Path, parent: &Path) -> Result<()> {
    if !path.is_dir() {
        return Ok(());
    }
    // A process that is killed while it creates or removes the folder leaves one without a lock.
    let lock_path = path.join(LOCK);
    let lock = File::options().create(true).append(true).open(&lock_path);
    if lock.map_err(Error::io("creating", &lock_path))?.try_lock().is_err() {
        return Ok(());
    }
    if path.join(COMMIT).exists() {
        return move_files(path, parent);
    }
    fs::remove_dir_all(path).map_err(Error::io("removing", path))
}

fn move_files(folder: &Path, parent: &Path) -> Result<()> {
    for name in files(folder)? {
        let (from, to) = (folder.join(&name), Destination::of(&parent.join(&name))?);
        if let Some(permissions) = to.permissions {
            fs::set_permissions(&from, permissions).map_err(Error::io("writing", &to.path))?;
        }
        fs::rename(&from, &to.path).map_err(Error::io("writing", &to.path))?;
    }
    fs::remove_dir_all(folder).map_err(Error::io("removing", folder))
}

/// The names of the files in a work folder, sorted, without lock and mark.
fn files(folder: &Path) -> Result<Vec<std::ffi::OsString>> {
    let entries = fs::read_dir(folder).map_err(Error::io("reading the folder", folder))?;
    let mut names: Vec<_> = entries.flatten().map(|e| e.file_name()).collect();
    names.retain(|name| name != LOCK && name != COMMIT && !name.to_string_lossy().starts_with(TEMPORARY));
    names.sort();
    Ok(names)
}

fn remove_unlocked(path: &Path) -> Result<()> {
    let file = File::open(path).map_err(Error::io("reading", path))?;
    match file.try_lock() {
        Ok(()) => fs::remove_file(path).map_err(Error::io("removing", path)),
        Err(_) => Ok(()),
    }
}

fn in_use(parent: &Path, name: &str) -> Error {
    Error::Input(format!(
        "another process is writing `{name}` to {}; wait for it, or choose another folder",
        parent.display()
    ))
}

/// Exchanges the folders `a` and `b`, which must both exist, in one step where the system can.
///
/// # Errors
/// The system's error.
fn exchange(a: &Path, b: &Path) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE) {
            // The file system cannot: FAT, some network file systems.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {}
            done => return done.map_err(Into::into),
        }
    }
    let aside = a.with_extension("old");
    fs::rename(b, &aside)?;
    match fs::rename(a, b) {
        Ok(()) => fs::rename(&aside, a),
        Err(e) => fs::rename(&aside, b).and(Err(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::lock;
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_appear_together_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let work = WorkFolder::new(folder, "face").unwrap();
        fs::write(work.path().join("a"), b"1").unwrap();
        drop(work);
        assert!(names(folder).is_empty());

        let work = WorkFolder::new(folder, "face").unwrap();
        let second = WorkFolder::new(folder, "face").map(drop).unwrap_err().to_string();
        assert!(second.contains("another process is writing `face`"), "{second}");
        clean(folder);
        assert!(work.path().exists(), "a folder in use was removed");
        fs::write(folder.join("b"), b"old").unwrap();
        fs::write(work.path().join("a"), b"1").unwrap();
        fs::write(work.path().join("b"), b"2").unwrap();
        work.commit().unwrap();
        assert_eq!(names(folder), ["a", "b"]);
        assert_eq!(fs::read(folder.join("b")).unwrap(), b"2");
    }

    #[test]
    fn a_work_folder_becomes_a_folder_with_the_same_siblings() {
        let models = tempfile::tempdir().unwrap();
        let models = models.path();
        let target = models.join("bundle");
        fs::write(models.join("shared"), b"").unwrap();
        for content in ["first", "second"] {
            let work = WorkFolder::new(models, "bundle").unwrap();
            assert!(work.path().join("../shared").exists(), "paths to siblings differ before the move");
            fs::write(work.path().join(content), b"").unwrap();
            work.into_folder(&target).unwrap();
            assert_eq!(
                (names(models), names(&target)),
                (vec!["bundle".into(), "shared".into()], vec![content.into()])
            );
        }
    }

    /// The states in which a killed process leaves the folder.
    #[test]
    fn the_next_run_finishes_a_commit_and_removes_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for (name, committed) in [("whole", true), ("half", false)] {
            let work = folder.join(format!("{TEMPORARY}{name}"));
            fs::create_dir(&work).unwrap();
            fs::write(work.join(LOCK), b"").unwrap();
            fs::write(work.join(format!("{name}.png")), b"new").unwrap();
            if committed {
                fs::write(work.join(COMMIT), b"").unwrap();
            }
        }
        fs::create_dir(folder.join(format!("{TEMPORARY}empty"))).unwrap();
        fs::write(folder.join(format!("{TEMPORARY}x.part")), b"half").unwrap();
        let open = File::create(folder.join(format!("{TEMPORARY}open.part"))).unwrap();
        lock(&open);
        clean(folder);
        assert_eq!(names(folder), [".gani-open.part", "whole.png"]);
        drop(open);
        clean(folder);
        assert_eq!(names(folder), ["whole.png"]);
    }

    #[test]
    fn folders_are_exchanged() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        for side in [&a, &b] {
            fs::create_dir(side).unwrap();
            fs::write(side.join(side.file_name().unwrap()), b"").unwrap();
        }
        exchange(&a, &b).unwrap();
        assert_eq!((names(&a), names(&b)), (vec!["b".to_owned()], vec!["a".to_owned()]));
    }
}
