//! `bundle.toml`: what a model bundle says of itself.

use crate::loss::similarity::Distance;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};

/// The version of the format that this program reads and writes.
pub const VERSION: u32 = 1;

/// A whole `bundle.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format.
    pub version: u32,
    /// Name, as in `--model NAME`.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Row of Table 1, see [`crate::settings::domain`].
    pub domain: String,
    /// Resolution of the generator's image: its width in pixels.
    #[serde(alias = "size")]
    pub resolution: usize,
    /// Height of the generator's image where that is not its width (cars: 384 of 512).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<usize>,
    /// Licence of the weights, and what it allows.
    pub licence: String,
    /// Where the weights come from.
    pub provenance: String,
    /// ws → image.
    pub generator: Generator,
    /// z → w.
    pub mapping: Mapping,
    /// Image → w.
    pub encoder: Option<Network>,
    /// Loss networks.
    #[serde(default, rename = "loss")]
    pub losses: Vec<Loss>,
    /// `.npz` of editing directions: `dir_NAME`, `std_NAME`, `pca_components`, `pca_std`.
    pub directions: Option<String>,
    /// Networks that find faces.
    pub face: Option<Face>,
    /// The files that an imported bundle was made from.
    #[serde(default, rename = "source", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Size and hash of every file above.
    pub files: Vec<FileEntry>,
}

/// The generator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// `.onnx`: `ws` `[1, n, 512]` → image `[1, 3, R, R]`.
    pub file: String,
    /// Initialisers that tuning changes, in forward order.
    pub tunable: Vec<String>,
}

/// The mapping network.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// `.onnx`: `z` `[1, 512]` → w `[1, 512]`. Without it w is sampled from the principal components of the directions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// `.npy`: the mean of w, `[512]`.
    pub w_avg: String,
}

/// A network, or one output of one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// `.onnx`.
    pub file: String,
    /// Output to take; the first where absent.
    pub output: Option<String>,
}

/// A loss network: `image` `[1, 3, R, R]` in `[-1, 1]` → features.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// `lpips`, `identity` or `parsing`.
    pub kind: String,
    /// `.onnx`.
    pub file: String,
    /// Output to take; all where absent.
    pub output: Option<String>,
    /// `squared`: Σ over channels of the mean over positions of (a − b)²; `cosine`: Σ over outputs of 1 − cos.
    pub distance: Distance,
    /// Resolution that the network requires; networks without one accept any.
    #[serde(alias = "size")]
    pub resolution: Option<usize>,
    /// λ of this term, for terms that Table 1 does not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f32>,
}

/// Networks that find faces, and one that recognises them for evaluation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Face {
    /// BlazeFace.
    pub detector: String,
    /// FaceMesh.
    pub landmarks: String,
    /// Identity features for evaluation only; never optimised.
    pub evaluation: String,
}

/// A file that was imported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What was taken from it: `generator`, `lpips`, `direction smile`.
    pub role: String,
    /// Its name, without folders.
    pub file: String,
    /// sha256 in hexadecimal.
    pub sha256: String,
}

/// A file of the bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Relative to the bundle's folder; `../SIBLING/…` for a file of a sibling folder.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// sha256 in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Reads the text of a `bundle.toml`; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Model`] for text that is no manifest; [`Error::Unsupported`] for a version from the future.
    pub fn parse(text: &str, path: &Path) -> Result<Manifest> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let bad =
            |e: toml::de::Error| Error::Model(format!("{}: not a bundle description: {e}", path.display()));
        let Versioned { version } = toml::from_str(text).map_err(bad)?;
        if version != VERSION {
            return Err(Error::Unsupported(format!(
                "{}: version {version} of the bundle format, this program reads version {VERSION}; \
                 install a newer gani, or fetch the bundle again",
                path.display()
            )));
        }
        let manifest: Manifest = toml::from_str(text).map_err(bad)?;
        let named = manifest.named_files();
        for name in named.iter().copied().chain(manifest.files.iter().map(|f| &*f.path)) {
            relative(name).map_err(|e| Error::Model(format!("{}: {e}", path.display())))?;
        }
        if let Some(name) = named.iter().find(|name| !manifest.files.iter().any(|f| f.path == **name)) {
            return Err(Error::Model(format!(
                "{}: `{name}` is used, but [[files]] does not hold its size and hash; fetch the bundle again",
                path.display()
            )));
        }
        Ok(manifest)
    }

    /// A description with what all bundles of FFHQ-aligned faces in this W space share: encoder, losses, directions and
    /// face networks of `../common`. Generator, mapping, size, title and provenance are still to be filled in.
    pub fn of_faces(name: &str) -> Manifest {
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
            licence: "non-commercial: derived from NVIDIA's StyleGAN2-FFHQ".into(),
            provenance: String::new(),
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

    /// Every file that the manifest names outside `[[files]]`.
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

/// A path of the manifest, refused where it would leave the folder that holds the bundles.
pub fn relative(name: &str) -> Result<PathBuf, String> {
    let path = Path::new(name);
    let inside = match path.strip_prefix("..") {
        // A sibling's file: its folder and its name.
        Ok(rest) if rest.components().count() >= 2 => rest,
        Ok(_) => return Err(format!("`{name}` is no file of a bundle")),
        Err(_) => path,
    };
    let plain = |c| matches!(c, Component::Normal(_));
    if inside.as_os_str().is_empty() || !inside.components().all(plain) {
        return Err(format!(
            "`{name}` leads out of the models folder; only its own and sibling folders are read"
        ));
    }
    Ok(path.to_path_buf())
}
