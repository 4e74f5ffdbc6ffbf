//! A cache of finished inversions, by fingerprint.
//!
//! A cache never causes an error: a file that cannot be read or written, is damaged, or is another inversion is logged as a warning, and
//! the photo is inverted again, which replaces the file.

use super::Inversion;
use crate::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Default limit of the user's cache in bytes: about 40 inversions at 1024 px.
pub const LIMIT: u64 = 2 << 30;

/// A folder of inversion files, each named by its [`fingerprint`](crate::invert::fingerprint).
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
}

impl Cache {
    /// The user's cache: `gani/inversions` in the system's cache folder, up to [`LIMIT`]. `None` if there is no such folder.
    pub fn for_user() -> Option<Cache> {
        let folder = directories::BaseDirs::new()?.cache_dir().join("gani").join("inversions");
        Some(Cache::new(folder, LIMIT))
    }

    /// A cache in `folder`, which is created on first use, of at most `limit` bytes.
    pub fn new(folder: PathBuf, limit: u64) -> Cache {
        Cache { folder, limit }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The inversion with this key. Its file then counts as recently used.
    pub fn get(&self, key: &str) -> Option<Inversion> {
        let path = self.path(key);
        if !path.is_file() {
            log::debug!("not in the cache: {}", path.display());
            return None;
        }
        let found = Inversion::read(&path, true).and_then(|inversion| match inversion.info.key == key {
            true => Ok(inversion),
            false => Err(Error::Model(format!("{} is an inversion with another key", path.display()))),
        });
        match found {
            Ok(inversion) => {
                let touched = fs::File::options().append(true).open(&path);
                if let Err(e) = touched.and_then(|file| file.set_modified(SystemTime::now())) {
                    log::debug!("{}: its modification time cannot be set: {e}", path.display());
                }
                Some(inversion)
            }
            Err(e) => {
                log::warn!("a cached inversion cannot be used, the photo is inverted again: {e}");
                None
            }
        }
    }

    /// Stores `inversion` under its key, completely or not at all, and removes the least recently used files until the limit is met.
    pub fn put(&self, inversion: &Inversion) {
        let stored = fs::create_dir_all(&self.folder)
            .map_err(Error::io("creating", &self.folder))
            .and_then(|()| inversion.save(self.path(&inversion.info.key)))
            .and_then(|()| self.shrink());
        if let Err(e) = stored {
            log::warn!("the inversion cannot be cached: {e}");
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.safetensors"))
    }

    /// Removes the oldest files until the rest fits. Temporary files of other processes, which are still writing them, stay.
    fn shrink(&self) -> Result<()> {
        let reading = || Error::io("reading", &self.folder);
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(reading())? {
            let entry = entry.map_err(reading())?;
            // Another process may have removed the file.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_file() && !entry.file_name().as_encoded_bytes().starts_with(b".") {
                let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.push((modified, metadata.len(), entry.path()));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in files {
            if total <= self.limit {
                break;
            }
            match fs::remove_file(&path) {
                Ok(()) => log::debug!("{} was removed to free space", path.display()),
                Err(e) => log::warn!("{} cannot be removed: {e}", path.display()),
            }
            total -= bytes;
        }
        Ok(())
    }
}
