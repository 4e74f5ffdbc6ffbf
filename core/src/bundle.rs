//! Model bundles: a generator and everything that belongs to it, in a folder with a manifest `bundle.toml`.
//!
//! A bundle has a generator (ws → image, tunable weights by name), a mapping network, an encoder, loss networks and directions.
//! Each file is in the bundle's folder or in a sibling folder (`../common/lpips.onnx`). Opening a bundle reads the manifest and
//! checks file sizes; [`Bundle::verify`] checks every hash.

mod directions;
mod ffhq_1024;
mod import;
mod limits;
mod make;
mod manifest;
mod networks;
mod search;
mod statistics;

pub use crate::util::files::sha256;
pub use directions::{Direction, DirectionInfo, Directions, Gain, Unit, style_resolutions};
pub use ffhq_1024::make_ffhq_1024;
pub use import::{ImportOptions, Imported, import};
pub use make::{WeightPrecision, write_manifest};
pub use manifest::{Face, FileEntry, Generator, Loss, Manifest, Mapping, Network, Source};
pub use search::{default_name, model_folders, user_folder};

use crate::settings::{Domain, domain};
use crate::{Error, Result};
use gani_onnx::file::read_regular;
use manifest::MANIFEST_FILE;
use std::path::{Path, PathBuf};

/// Maximum size of a manifest in bytes.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// Maximum resolution of the images that the losses take.
const LOSS_RESOLUTION: usize = 256;

/// An installed model bundle.
#[derive(Clone, Debug)]
pub struct Bundle {
    folder: PathBuf,
    manifest: Manifest,
}

impl Bundle {
    /// Opens a bundle by the path of its folder or of its `bundle.toml`, or by name. A name is searched for beside the program
    /// (`models`, `../models`, `../share/gani/models`), in the source checkout and in the user's data folder.
    ///
    /// Takes milliseconds: checks file sizes and does not read the files.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no such bundle; [`Error::Model`] for an invalid manifest, or a file that is missing or of the
    /// wrong size; [`Error::Unsupported`] for another format version; [`Error::Limits`] for a manifest that is too large.
    pub fn open(model: &str) -> Result<Bundle> {
        Bundle::open_folder(&search::find(model)?)
    }

    /// Opens an installed bundle by name. For names that a file states: unlike [`Bundle::open`], a path is refused.
    ///
    /// # Errors
    /// [`Error::Input`] for a path; otherwise as [`Bundle::open`].
    pub fn open_named(name: &str) -> Result<Bundle> {
        search::check_name(name)?;
        Bundle::open_folder(&search::find_installed(name)?)
    }

    /// Opens the bundle in `folder`.
    ///
    /// # Errors
    /// As [`Bundle::open`].
    pub fn open_folder(folder: &Path) -> Result<Bundle> {
        let path = folder.join(MANIFEST_FILE);
        let text = read_regular(&path, MAX_MANIFEST_BYTES)?;
        let text = String::from_utf8(text)
            .map_err(|_| Error::Model(format!("{}: not a bundle manifest: not UTF-8", path.display())))?;
        let bundle = Bundle { folder: folder.to_owned(), manifest: Manifest::parse(&text, &path)? };
        for file in &bundle.manifest.files {
            bundle.check_size(file)?;
        }
        let bytes = bundle.manifest.files.iter().fold(0u64, |n, f| n.saturating_add(f.bytes));
        if bytes > limits::MAX_BUNDLE_BYTES {
            return Err(Error::Limits(format!(
                "{}: its files have {bytes} bytes; at most {} are supported",
                path.display(),
                limits::MAX_BUNDLE_BYTES
            )));
        }
        Ok(bundle)
    }

    /// Installed bundles by name: the bundle, or the error from opening it.
    pub fn list() -> Vec<(String, Result<Bundle>)> {
        search::installed().into_iter().map(|(name, folder)| (name, Bundle::open_folder(&folder))).collect()
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The name by which [`Bundle::open`] finds an installed bundle.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// The bundle's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Resolution R of the generator's image: its width in pixels.
    pub fn resolution(&self) -> usize {
        self.manifest.resolution
    }

    /// Height and width of the generator's image.
    pub fn image_shape(&self) -> [usize; 2] {
        [self.manifest.height.unwrap_or(self.resolution()), self.resolution()]
    }

    /// The bundle's row of Table 1.
    ///
    /// # Errors
    /// [`Error::Input`] if the manifest names an unknown domain.
    pub fn domain(&self) -> Result<Domain> {
        domain(&self.manifest.domain)
    }

    /// What the user should know before using the bundle for a photo: that it is for tests. `None` for other bundles.
    pub fn notice(&self) -> Option<String> {
        let [height, width] = self.image_shape();
        self.manifest.for_tests.then(|| {
            format!(
                "`{}` is a model for tests: its faces are soft and grainy, of {width} × {height} pixels; for photos use the model \
                 that gani chooses by itself, ffhq-1024",
                self.name()
            )
        })
    }

    /// sha256 of the generator's file according to the manifest. It identifies the generator that an inversion belongs to.
    pub fn generator_sha256(&self) -> &str {
        let file = &self.manifest.generator.file;
        self.manifest.files.iter().find(|f| f.path == *file).map_or("", |f| &f.sha256)
    }

    /// Checks the sha256 of every file. Calls `on_file` with each path before it reads the file.
    ///
    /// # Errors
    /// [`Error::Model`] with the file and both hashes.
    pub fn verify(&self, mut on_file: impl FnMut(&str)) -> Result<()> {
        for file in &self.manifest.files {
            on_file(&file.path);
            self.check_size(file)?;
            let path = self.path(&file.path);
            let found = sha256(&path)?;
            if found != file.sha256 {
                return Err(Error::Model(format!(
                    "{}: its sha256 is {found}, but the bundle `{}` expects {}; {}",
                    path.display(),
                    self.name(),
                    file.sha256,
                    self.repair_hint()
                )));
            }
        }
        Ok(())
    }

    fn check_size(&self, file: &FileEntry) -> Result<()> {
        let path = self.path(&file.path);
        let found = std::fs::metadata(&path).map_err(|e| {
            Error::Model(format!(
                "the bundle `{}` needs {}, which cannot be read ({e}); {}",
                self.name(),
                path.display(),
                self.repair_hint()
            ))
        })?;
        if !found.is_file() {
            return Err(Error::Model(format!(
                "{}: a folder, device or pipe, not a file of the bundle `{}`; {}",
                path.display(),
                self.name().escape_debug(),
                self.repair_hint()
            )));
        }
        if found.len() != file.bytes {
            return Err(Error::Model(format!(
                "{}: {} bytes, but the bundle `{}` expects {}; the file was truncated or replaced; {}",
                path.display(),
                found.len(),
                self.name(),
                file.bytes,
                self.repair_hint()
            )));
        }
        Ok(())
    }

    fn repair_hint(&self) -> String {
        format!("fetch the model `{}` again, or install gani again", self.name())
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }
}
