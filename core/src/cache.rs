//! Inversions made before, found again by what went into them.
//!
//! A cache never fails its user: what cannot be read or written is logged as a warning, and the work is done anew.

use crate::inversion::Inversion;
use crate::invert::InvertOptions;
use crate::model::Model;
use crate::{Error, Result};
use ndarray::ArrayView4;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How much a user's cache may hold, in bytes: about 40 inversions at 1024 px.
pub const LIMIT: u64 = 2 << 30;

/// A folder of inversion files, named by [`Cache::key`].
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
}

impl Cache {
    /// The user's cache, `gani/inversions` in the system's cache folder, up to [`LIMIT`]; none where there is no such folder.
    pub fn of_user() -> Option<Cache> {
        let folder = directories::BaseDirs::new()?.cache_dir().join("gani").join("inversions");
        Some(Cache::at(folder, LIMIT))
    }

    /// A cache in `folder`, made when first needed, of at most `limit` bytes.
    pub fn at(folder: PathBuf, limit: u64) -> Cache {
        Cache { folder, limit }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A name for the inversion of `crop` `[1,3,S,S]`: the hash of its values, the generator, the settings and the seed.
    pub fn key(model: &Model, crop: ArrayView4<'_, f32>, options: &InvertOptions) -> Result<String> {
        let settings = serde_json::to_vec(&options.settings)
            .map_err(|e| Error::Input(format!("the settings cannot be written down: {e}")))?;
        let mut hash = Sha256::new();
        hash.update(format!("{:?} {} ", crop.shape(), model.bundle.generator_sha256()));
        hash.update(options.method.name());
        hash.update(options.seed.to_le_bytes());
        hash.update(settings);
        for row in crop.rows() {
            let bytes: Vec<u8> = row.iter().flat_map(|v| v.to_le_bytes()).collect();
            hash.update(bytes);
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The inversion kept under `key`, which then counts as new.
    pub fn get(&self, key: &str) -> Option<Inversion> {
        let path = self.path(key);
        if !path.is_file() {
            log::debug!("not inverted before: {} is not there", path.display());
            return None;
        }
        match Inversion::open(&path) {
            Ok(inversion) => {
                let touched = fs::File::options().append(true).open(&path);
                if let Err(e) = touched.and_then(|file| file.set_modified(SystemTime::now())) {
                    log::debug!("{} keeps its age: {e}", path.display());
                }
                Some(inversion)
            }
            Err(e) => {
                log::warn!("a cached inversion is not used and will be made again: {e}");
                None
            }
        }
    }

    /// Keeps `inversion` under `key`, whole or not at all, and then drops the oldest until all fit the limit.
    pub fn put(&self, key: &str, inversion: &Inversion) {
        let kept = fs::create_dir_all(&self.folder)
            .map_err(Error::io("creating", &self.folder))
            .and_then(|()| inversion.save(&self.path(key)))
            .and_then(|()| self.shrink());
        if let Err(e) = kept {
            log::warn!("the inversion is not kept for the next time: {e}");
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.safetensors"))
    }

    /// Removes the oldest files, half-written ones of killed programs among them, until the rest fits.
    fn shrink(&self) -> Result<()> {
        let reading = || Error::io("reading", &self.folder);
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(reading())? {
            let entry = entry.map_err(reading())?;
            // Another program may remove a file meanwhile.
            let Ok(about) = entry.metadata() else { continue };
            if about.is_file() {
                let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.push((modified, about.len(), entry.path()));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in files {
            if total <= self.limit {
                break;
            }
            match fs::remove_file(&path) {
                Ok(()) => log::debug!("{} was dropped to make room", path.display()),
                Err(e) => log::warn!("{} cannot be removed: {e}", path.display()),
            }
            total -= bytes;
        }
        Ok(())
    }
}
