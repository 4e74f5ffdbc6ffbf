//! Files that appear together: they are written to a hidden folder beside their destination and moved in one commit.

use super::files::{Destination, PART, TEMPORARY};
use crate::{Error, Result};
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the lock inside a work folder. The system releases it when the process ends, in whatever way.
const LOCK: &str = ".lock";
/// Name of the empty file that marks a complete set of files.
const COMMIT: &str = ".commit";
/// Name of a folder that a commit has replaced.
const OLD: &str = ".old";

/// The hidden folder `.gani-NAME` in a parent folder. Dropping it without a commit removes it with its files.
///
/// If the process is killed before the commit, nothing has changed, and [`clean`] removes the folder later. If it is killed during
/// the commit, [`clean`] moves what remains.
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
    /// [`Error::Input`] if another process has the same folder in use, or the folder is not gani's; [`Error::Io`].
    pub fn new(parent: &Path, name: &str) -> Result<WorkFolder> {
        let path = parent.join(format!("{TEMPORARY}{name}"));
        let lock = acquire(&path)?.ok_or_else(|| in_use(parent, name))?;
        settle(&path, parent)?;
        Ok(WorkFolder { path, parent: parent.to_owned(), _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves all files and folders to the parent folder, replacing existing ones, and removes the work folder.
    ///
    /// # Errors
    /// [`Error::Input`] if the destination of a file is not a regular file; [`Error::Io`].
    pub fn commit(self) -> Result<()> {
        for name in results(&self.path)? {
            if !self.path.join(&name).is_dir() {
                Destination::of(&self.parent.join(name))?; // before anything is replaced
            }
        }
        let mark = self.path.join(COMMIT);
        File::create(&mark).and_then(|f| f.sync_all()).map_err(Error::io("creating", &mark))?;
        settle(&self.path, &self.parent)
    }

    /// Moves the folder `name` to the parent folder. An existing one is replaced in one step where the system can do that, else in
    /// two, between which it is missing until the next run.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn commit_folder(self, name: &str) -> Result<()> {
        let (new, target) = (self.path.join(name), self.parent.join(name));
        if !target.exists() {
            return fs::rename(&new, &target).map_err(Error::io("renaming to", &target));
        }
        match exchange(&new, &target) {
            Ok(true) => Ok(()), // the old folder is removed with the work folder
            Ok(false) => self.commit(),
            Err(e) => Err(Error::io("renaming to", &target)(e)),
        }
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // A commit that failed is tried again by the next run.
        if !self.path.join(COMMIT).exists()
            && let Err(e) = remove(&self.path)
        {
            log::warn!("{e}");
        }
    }
}

/// Finishes or removes what dead processes left in `folder`: work folders and temporary files. Failures are logged only.
pub fn clean(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with(TEMPORARY) {
            continue;
        }
        let path = entry.path();
        let done = match entry.file_type() {
            Ok(kind) if kind.is_dir() => finish(&path, folder),
            Ok(kind) if kind.is_file() && name.ends_with(PART) => remove_unlocked(&path),
            _ => Ok(()),
        };
        if let Err(e) = done {
            log::debug!("left by an earlier run: {e}");
        }
    }
}

/// Creates the work folder `path` and locks it. `None` if another process uses it.
fn acquire(path: &Path) -> Result<Option<File>> {
    let lock_path = path.join(LOCK);
    // Another process that cleans the parent folder can remove the folder, or hold the lock for a moment, before it is locked here.
    for _ in 0..20 {
        match fs::create_dir(path) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::AlreadyExists => check_own(path)?,
            Err(e) => return Err(Error::io("creating", path)(e)),
        }
        let lock = match File::create(&lock_path) {
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            file => file.map_err(Error::io("creating", &lock_path))?,
        };
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            // Some network file systems have no locks.
            Ok(()) | Err(TryLockError::Error(_)) if lock_path.exists() => return Ok(Some(lock)),
            _ => {}
        }
    }
    Ok(None)
}

/// Checks that an existing folder was created by gani: that it has a lock, or nothing.
fn check_own(path: &Path) -> Result<()> {
    let is_empty = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if path.join(LOCK).exists() || is_empty() || !path.exists() {
        return Ok(());
    }
    Err(Error::Input(format!(
        "{} is in the way, and was not created by gani; move it away, or choose another name",
        path.display()
    )))
}

/// Commits or removes the work folder `path`, unless it does not exist, a process uses it, or gani did not create it.
fn finish(path: &Path, parent: &Path) -> Result<()> {
    if !path.is_dir() {
        return Ok(());
    }
    let lock_path = path.join(LOCK);
    let lock = match File::options().append(true).open(&lock_path) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            // A process was killed while it created or removed the folder, which is then empty.
            let _ = fs::remove_dir(path);
            return Ok(());
        }
        lock => lock.map_err(Error::io("opening", &lock_path))?,
    };
    if lock.try_lock().is_err() {
        return Ok(());
    }
    settle(path, parent)?;
    remove(path)
}

/// Finishes a commit, and removes everything but the lock.
fn settle(folder: &Path, parent: &Path) -> Result<()> {
    if folder.join(COMMIT).exists() {
        move_results(folder, parent)?;
    }
    empty(folder).map_err(Error::io("removing files in", folder))
}

/// Moves the results to `parent`.
fn move_results(folder: &Path, parent: &Path) -> Result<()> {
    for name in results(folder)? {
        let (from, to) = (folder.join(&name), parent.join(&name));
        if from.is_dir() {
            replace_folder(&from, &to, &folder.join(OLD)).map_err(Error::io("renaming to", &to))?;
            continue;
        }
        let to = Destination::of(&to)?;
        if let Some(permissions) = to.permissions {
            fs::set_permissions(&from, permissions).map_err(Error::io("writing", &to.path))?;
        }
        fs::rename(&from, &to.path).map_err(Error::io("writing", &to.path))?;
    }
    Ok(())
}

/// Moves the folder `from` to `to`. A folder that is there is moved to `aside`.
fn replace_folder(from: &Path, to: &Path, aside: &Path) -> std::io::Result<()> {
    if to.exists() {
        if aside.exists() {
            fs::remove_dir_all(aside)?;
        }
        fs::rename(to, aside)?;
    }
    fs::rename(from, to)
}

/// Removes a work folder. The lock is the last file, because a folder without it is not taken for one of gani.
fn remove(folder: &Path) -> Result<()> {
    let removed = empty(folder).and_then(|()| fs::remove_file(folder.join(LOCK)));
    removed.and_then(|()| fs::remove_dir(folder)).map_err(Error::io("removing", folder))
}

/// Removes everything in a work folder but the lock.
fn empty(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false if entry.file_name() == LOCK => {}
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// The names of the files and folders in a work folder, sorted, without those of gani itself.
fn results(folder: &Path) -> Result<Vec<OsString>> {
    let entries = fs::read_dir(folder).map_err(Error::io("reading the folder", folder))?;
    let mut names: Vec<_> = entries.flatten().map(|e| e.file_name()).collect();
    names.retain(|name| {
        ![LOCK, COMMIT, OLD].iter().any(|own| name == own) && !name.to_string_lossy().starts_with(TEMPORARY)
    });
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

/// Exchanges the folders `a` and `b`, which must both exist, in one step. False if the system cannot.
fn exchange(a: &Path, b: &Path) -> std::io::Result<bool> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE) {
            // FAT, some network file systems.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => Ok(false),
            done => done.map(|()| true).map_err(Into::into),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (a, b);
        Ok(false)
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
        // Names like gani's, but files of the user.
        fs::create_dir(folder.join(".gani-notes")).unwrap();
        fs::write(folder.join(".gani-notes/a"), b"mine").unwrap();
        fs::write(folder.join(".gani-list"), b"mine").unwrap();
        fs::write(folder.join(format!("{TEMPORARY}x.part")), b"half").unwrap();
        let open = File::create(folder.join(format!("{TEMPORARY}open.part"))).unwrap();
        lock(&open);
        clean(folder);
        assert_eq!(names(folder), [".gani-list", ".gani-notes", ".gani-open.part", "whole.png"]);
        drop(open);
        clean(folder);
        assert_eq!(names(folder), [".gani-list", ".gani-notes", "whole.png"]);
        let in_the_way = WorkFolder::new(folder, "notes").map(drop).unwrap_err().to_string();
        assert!(in_the_way.contains("was not created by gani"), "{in_the_way}");
        assert_eq!(names(&folder.join(".gani-notes")), ["a"]);
    }

    fn folder_with(path: &Path, file: &str) {
        fs::create_dir_all(path).unwrap();
        fs::write(path.join(file), b"").unwrap();
    }

    #[test]
    fn a_folder_is_created_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for file in ["1", "2"] {
            let work = WorkFolder::new(folder, "b").unwrap();
            folder_with(&work.path().join("b"), file);
            work.commit_folder("b").unwrap();
            assert_eq!((names(folder), names(&folder.join("b"))), (vec!["b".into()], vec![file.into()]));
        }
        // Where folders cannot be exchanged.
        let work = WorkFolder::new(folder, "b").unwrap();
        folder_with(&work.path().join("b"), "3");
        work.commit().unwrap();
        assert_eq!((names(folder), names(&folder.join("b"))), (vec!["b".into()], vec!["3".into()]));
    }

    /// The states between the renames of a replacement without an exchange.
    #[test]
    fn the_next_run_finishes_the_replacement_of_a_folder() {
        for state in 0..4 {
            let folder = tempfile::tempdir().unwrap();
            let (folder, work) = (folder.path(), folder.path().join(".gani-b"));
            folder_with(&if state == 2 { work.join("new") } else { work.join("b") }, "new");
            fs::write(work.join(LOCK), b"").unwrap();
            fs::write(work.join(COMMIT), b"").unwrap();
            match state {
                0 => folder_with(&folder.join("b"), "old"),
                1 => folder_with(&work.join(OLD), "old"),
                2 => {
                    fs::rename(work.join("new"), folder.join("b")).unwrap();
                    folder_with(&work.join(OLD), "old");
                }
                _ => {
                    folder_with(&folder.join("b"), "other");
                    folder_with(&work.join(OLD), "old");
                }
            }
            clean(folder);
            assert_eq!(
                (names(folder), names(&folder.join("b"))),
                (vec!["b".into()], vec!["new".into()]),
                "{state}"
            );
        }
    }
}
