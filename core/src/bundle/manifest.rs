//! `bundle.toml`, the manifest of a model bundle.

use super::limits::MAX_RESOLUTION;
use crate::loss::similarity::Distance;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};

/// Name of the manifest's file.
pub(super) const MANIFEST_FILE: &str = "bundle.toml";

/// Version of the format that this program reads and writes.
pub const VERSION: u32 = 1;

/// The content of a `bundle.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format.
    pub version: u32,
    /// Name by which the bundle is opened.
    pub name: String,
    /// Title for display, one line.
    pub title: String,
    /// Row of Table 1, see [`crate::settings::domain`].
    pub domain: String,
    /// Resolution of the generator's image: its width in pixels.
    #[serde(alias = "size")]
    pub resolution: usize,
    /// Height of the generator's image if it differs from the width (cars: 384 of 512).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<usize>,
    /// License of the weights, and the use that it permits.
    #[serde(rename = "licence", alias = "license")]
    pub license: String,
    /// Where the weights come from.
    pub provenance: String,
    /// The generator is for tests, not for photos.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_tests: bool,
    /// ws → image.
    pub generator: Generator,
    /// z → w.
    pub mapping: Mapping,
    /// Image → w.
    pub encoder: Option<Network>,
    /// Loss networks.
    #[serde(default, rename = "loss")]
    pub losses: Vec<Loss>,
    /// Editing directions, an `.npz` with `dir_NAME`, `std_NAME`, `pca_components`, `pca_std`, and optionally `info`.
    pub directions: Option<String>,
    /// Face networks.
    pub face: Option<Face>,
    /// The files that an imported bundle was converted from.
    #[serde(default, rename = "source", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Size and hash of every file named above.
    pub files: Vec<FileEntry>,
}

/// The generator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// `.onnx`: `ws` `[1, n, 512]` → image `[1, 3, R, R]`.
    pub file: String,
    /// Initializers that tuning changes, in forward order.
    pub tunable: Vec<String>,
}

/// The mapping network.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// `.onnx`: `z` `[1, 512]` → w `[1, 512]`. Without it, w is sampled from the principal components of the directions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// `.npy`: the mean of w, `[512]`.
    pub w_avg: String,
}

/// A network or one of its outputs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// `.onnx`.
    pub file: String,
    /// Name of the output to use; `None` for the first.
    pub output: Option<String>,
}

/// A loss network: `image` `[1, 3, R, R]` in `[-1, 1]` → features.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// Name of its term. `lpips`, `identity` and `parsing` have a λ in Table 1; any other name needs [`Loss::lambda`].
    pub kind: String,
    /// `.onnx`.
    pub file: String,
    /// Name of the output to use; `None` for all.
    pub output: Option<String>,
    /// `squared`: Σ over channels of the mean over positions of (a − b)²; `cosine`: Σ over outputs of 1 − cos.
    pub distance: Distance,
    /// Resolution that the network requires; `None` if it accepts any.
    #[serde(alias = "size")]
    pub resolution: Option<usize>,
    /// λ of this term, for terms that are not in Table 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f32>,
}

/// Networks that detect faces, and one that recognizes them for evaluation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Face {
    /// Face detector: BlazeFace.
    pub detector: String,
    /// Landmark network: FaceMesh.
    pub landmarks: String,
    /// Identity features for evaluation. No loss uses them.
    pub evaluation: String,
}

/// An imported file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What was read from it: `generator`, `lpips`, `direction smile`.
    pub role: String,
    /// File name without folders.
    pub file: String,
    /// sha256 in hexadecimal.
    pub sha256: String,
}

/// A file of the bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Path relative to the bundle's folder; `../SIBLING/…` for a file of a sibling folder.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// sha256 in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Parses the text of a `bundle.toml`. `path` appears in messages.
    ///
    /// # Errors
    /// [`Error::Model`] for text that is not a manifest; [`Error::Unsupported`] for another version of the format;
    /// [`Error::Limits`] for images that are too large.
    pub fn parse(text: &str, path: &Path) -> Result<Manifest> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let bad =
            |e: toml::de::Error| Error::Model(format!("{}: not a bundle manifest: {e}", path.display()));
        let Versioned { version } = toml::from_str(text).map_err(bad)?;
        if version != VERSION {
            return Err(Error::Unsupported(format!(
                "{}: version {version} of the bundle format, but this program reads version {VERSION}; \
                 install a newer gani, or fetch the bundle again",
                path.display()
            )));
        }
        let manifest: Manifest = toml::from_str(text).map_err(bad)?;
        let height = manifest.height.unwrap_or(manifest.resolution);
        if ![manifest.resolution, height].iter().all(|size| (1..=MAX_RESOLUTION).contains(size)) {
            return Err(Error::Limits(format!(
                "{}: images of {} × {height} pixels; gani supports generators of 1 to {MAX_RESOLUTION} pixels",
                path.display(),
                manifest.resolution
            )));
        }
        if let Some(loss) =
            manifest.losses.iter().find(|l| l.resolution.is_some_and(|r| r == 0 || r > MAX_RESOLUTION))
        {
            return Err(Error::Limits(format!(
                "{}: the loss `{}` takes images of {} pixels; gani supports 1 to {MAX_RESOLUTION}",
                path.display(),
                loss.kind.escape_debug(),
                loss.resolution.unwrap_or(0)
            )));
        }
        let named = manifest.named_files();
        for name in named.iter().copied().chain(manifest.files.iter().map(|f| &*f.path)) {
            relative(name).map_err(|e| Error::Model(format!("{}: {e}", path.display())))?;
        }
        if let Some(name) = named.iter().find(|name| !manifest.files.iter().any(|f| f.path == **name)) {
            return Err(Error::Model(format!(
                "{}: `{name}` is used, but its size and hash are missing from [[files]]; fetch the bundle again",
                path.display()
            )));
        }
        Ok(manifest)
    }

    /// A template for bundles of FFHQ-aligned faces that share a W space: encoder, losses, directions and face networks are those of
    /// `../common`. The caller fills in generator, mapping, resolution, title and provenance.
    pub fn for_faces(name: &str) -> Manifest {
        let common = |file: &str| format!("../common/{file}");
        let loss = |kind: &str, file: &str, distance| Loss {
            kind: kind.into(),
            file: common(file),
            output: None,
            distance,
            resolution: None,
            lambda: None,
        };
        Manifest {
            version: VERSION,
            name: name.into(),
            title: String::new(),
            domain: "celeba-hq".into(),
            resolution: 0,
            height: None,
            license: "non-commercial: derived from NVIDIA's StyleGAN2-FFHQ".into(),
            provenance: String::new(),
            for_tests: false,
            generator: Generator { file: String::new(), tunable: vec![] },
            mapping: Mapping { file: None, w_avg: String::new() },
            encoder: Some(Network { file: common("encoder.onnx"), output: Some("w".into()) }),
            losses: vec![
                loss("lpips", "lpips.onnx", Distance::Squared),
                Loss {
                    output: Some("identity".into()),
                    resolution: Some(256),
                    lambda: None,
                    ..loss("identity", "encoder.onnx", Distance::Cosine)
                },
                loss("parsing", "parsing.onnx", Distance::Cosine),
            ],
            directions: Some(common("directions.npz")),
            face: Some(Face {
                detector: common("blazeface.onnx"),
                landmarks: common("facemesh.onnx"),
                evaluation: common("mobileface.onnx"),
            }),
            sources: vec![],
            files: vec![],
        }
    }

    /// What an inversion depends on: the tuned weights, and outputs and hashes of all networks except those of faces and directions.
    pub(crate) fn inversion_inputs(&self) -> impl std::fmt::Debug + '_ {
        let hash = |file: &str| self.files.iter().find(|entry| entry.path == file).map(|entry| &entry.sha256);
        let network = |n: &'_ Network| (hash(&n.file).cloned(), n.output.clone());
        let losses: Vec<_> = self
            .losses
            .iter()
            .map(|l| (&l.kind, hash(&l.file), &l.output, format!("{:?}", l.distance), l.resolution, l.lambda))
            .collect();
        let mapping = [Some(&*self.mapping.w_avg), self.mapping.file.as_deref()].map(|f| f.and_then(hash));
        (&self.generator.tunable, mapping, self.encoder.as_ref().map(network), losses)
    }

    /// All files that the manifest names outside `[[files]]`, sorted.
    pub fn named_files(&self) -> Vec<&str> {
        let mut names = vec![&*self.generator.file, &*self.mapping.w_avg];
        names.extend(self.mapping.file.as_deref());
        names.extend(self.encoder.iter().map(|n| &*n.file));
        names.extend(self.losses.iter().map(|l| &*l.file));
        names.extend(self.directions.as_deref());
        names.extend(self.face.iter().flat_map(|f| [&*f.detector, &*f.landmarks, &*f.evaluation]));
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// A path in the manifest. Fails if it is outside the folder that contains the bundles.
pub fn relative(name: &str) -> Result<PathBuf, String> {
    let path = Path::new(name);
    let inside = match path.strip_prefix("..") {
        // A file of a sibling folder has at least two components: folder and name.
        Ok(rest) if rest.components().count() >= 2 => rest,
        Ok(_) => return Err(format!("`{name}` is not a file of a bundle")),
        Err(_) => path,
    };
    let plain = |c| matches!(c, Component::Normal(_));
    if inside.as_os_str().is_empty() || !inside.components().all(plain) {
        return Err(format!(
            "`{name}` is outside the models folder; a bundle uses files of its own and sibling folders only"
        ));
    }
    Ok(path.to_path_buf())
}
