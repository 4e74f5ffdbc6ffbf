//! Model bundles: a generator with all that goes with it, in a folder described by `bundle.toml`.
//!
//! A bundle holds the generator (ws → image, tunable weights by name), the mapping network, an encoder, loss networks and
//! directions; each may be a file of a sibling folder (`../common/lpips.onnx`). Opening reads the description and compares
//! file sizes; [`Bundle::verify`] compares every hash.

mod directions;
mod ffhq_1024;
mod import;
mod make;
mod manifest;
mod search;
mod statistics;

pub use directions::{Direction, Directions};
pub use ffhq_1024::make_ffhq_1024;
pub use import::{ImportOptions, Imported, import};
pub use make::{Store, describe};
pub use manifest::{Face, FileEntry, Generator, Loss, Manifest, Mapping, Network, Source};
pub use search::{model_folders, preferred, user_folder};

use crate::loss::{Distance, LossNetwork, SimilarityLoss};
use crate::settings::{Domain, domain};
use crate::{Error, Result};
use gani_onnx::networks::only_outputs;
use gani_onnx::{Attrs, Builder, Expr, Graph, Tensor, read};
use ndarray::Array1;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The description's file name.
const DESCRIPTION: &str = "bundle.toml";

/// A description larger than this is none.
const MAX_DESCRIPTION: u64 = 1 << 20;

/// The losses see images of at most this edge.
const LOSS_RESOLUTION: usize = 256;

/// An installed model bundle.
#[derive(Clone, Debug)]
pub struct Bundle {
    folder: PathBuf,
    manifest: Manifest,
}

impl Bundle {
    /// Opens a bundle by the path of its folder (or of its `bundle.toml`), or by name: searched beside the program, in
    /// `../models`, in the user's data folder, in the checkout.
    ///
    /// Takes milliseconds: file sizes are compared, contents are not read.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no such bundle, with what to fetch; [`Error::Model`] for a description that is
    /// broken, or a file that is missing or of the wrong size; [`Error::Unsupported`] for another format version.
    pub fn open(model: &str) -> Result<Bundle> {
        Bundle::open_folder(&search::find(model)?)
    }

    /// Opens the bundle in `folder`; errors as [`Bundle::open`].
    pub fn open_folder(folder: &Path) -> Result<Bundle> {
        let path = folder.join(DESCRIPTION);
        let size = std::fs::metadata(&path).map_err(Error::io("reading", &path))?.len();
        if size > MAX_DESCRIPTION {
            return Err(Error::Limits(format!(
                "{}: {size} bytes; a bundle's description has at most {MAX_DESCRIPTION}",
                path.display()
            )));
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io("reading", &path))?;
        let bundle = Bundle { folder: folder.to_owned(), manifest: Manifest::parse(&text, &path)? };
        for file in &bundle.manifest.files {
            bundle.check_size(file)?;
        }
        Ok(bundle)
    }

    /// The description.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Name, as in `--model NAME`.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// Folder that holds it.
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

    /// Its row of Table 1.
    ///
    /// # Errors
    /// [`Error::Input`] where the description names no known domain.
    pub fn domain(&self) -> Result<Domain> {
        domain(&self.manifest.domain)
    }

    /// sha256 of the generator's file, as stated: what an inversion belongs to.
    pub fn generator_sha256(&self) -> &str {
        let file = &self.manifest.generator.file;
        self.manifest.files.iter().find(|f| f.path == *file).map_or("", |f| &f.sha256)
    }

    /// Compares the sha256 of every file; calls `watch` with each path before it is read.
    ///
    /// # Errors
    /// [`Error::Model`] naming the file and both hashes.
    pub fn verify(&self, mut watch: impl FnMut(&str)) -> Result<()> {
        for file in &self.manifest.files {
            watch(&file.path);
            self.check_size(file)?;
            let path = self.path(&file.path);
            let found = sha256(&path)?;
            if found != file.sha256 {
                return Err(Error::Model(format!(
                    "{}: its sha256 is {found}, the bundle `{}` expects {}; {}",
                    path.display(),
                    self.name(),
                    file.sha256,
                    self.mend()
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
                self.mend()
            ))
        })?;
        if found.len() != file.bytes {
            return Err(Error::Model(format!(
                "{}: {} bytes, the bundle `{}` expects {}: truncated or replaced; {}",
                path.display(),
                found.len(),
                self.name(),
                file.bytes,
                self.mend()
            )));
        }
        Ok(())
    }

    fn mend(&self) -> String {
        format!("run `gani models fetch {} --force`, or install gani again", self.name())
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// The generator: `ws` `[1, n, 512]` → `image` `[1, 3, R, R]`, about `[-1, 1]`, with weights as named constants.
    ///
    /// # Errors
    /// As [`gani_onnx::read::from_file`]; so for all networks below.
    pub fn generator(&self) -> Result<Graph> {
        Ok(read::from_file(&self.path(&self.manifest.generator.file), &[])?)
    }

    /// Names of the generator's weights that tuning changes, in forward order.
    pub fn tunable(&self) -> &[String] {
        &self.manifest.generator.tunable
    }

    /// The mapping network: `z` `[1, k]`, standard normal, → `w` `[1, 512]`.
    ///
    /// A bundle without one draws w from the principal components instead, w = w̄ + Σ z_k σ_k c_k; `None` where it has no
    /// components either.
    pub fn mapping(&self) -> Result<Option<Graph>> {
        match &self.manifest.mapping.file {
            Some(file) => Ok(Some(read::from_file(&self.path(file), &[])?)),
            None => self.directions()?.sampler(&self.w_avg()?),
        }
    }

    /// Mean of w, `[512]`; truncation pulls towards it.
    ///
    /// # Errors
    /// [`Error::Model`] for a file that is no vector of f32.
    pub fn w_avg(&self) -> Result<Array1<f32>> {
        let path = self.path(&self.manifest.mapping.w_avg);
        ndarray_npy::read_npy(&path).map_err(|e| {
            Error::Model(format!("{}: not a vector of f32: {e}; {}", path.display(), self.mend()))
        })
    }

    /// The encoder: `image` `[1, 3, 256, 256]` (cars: 192 × 256) in `[-1, 1]` → w `[1, 512]`, or ws `[1, m, 512]` of at least
    /// as many styles as the generator takes; `None` where the bundle has none.
    pub fn encoder(&self) -> Result<Option<Graph>> {
        let Some(encoder) = &self.manifest.encoder else { return Ok(None) };
        let graph = read::from_file(&self.path(&encoder.file), &[])?;
        Ok(Some(match &encoder.output {
            Some(output) => only_outputs(&graph, &[output])?,
            None => graph,
        }))
    }

    /// Edge of the image that the losses see: min(R, 256).
    pub fn loss_resolution(&self) -> usize {
        self.resolution().min(LOSS_RESOLUTION)
    }

    /// The loss networks for images `[1, 3, size·H/W, size]`, H and W the generator's; usually of [`Bundle::loss_size`].
    pub fn losses(&self, size: usize) -> Result<Vec<LossNetwork>> {
        self.manifest.losses.iter().map(|loss| self.loss(loss, self.shape_at(size))).collect()
    }

    /// The loss network called `kind` for images as [`Bundle::losses`] takes them, where the bundle has it.
    pub fn loss_network(&self, kind: &str, size: usize) -> Result<Option<LossNetwork>> {
        self.network(kind, self.shape_at(size))
    }

    /// Height and width of the generator's image at another width.
    fn shape_at(&self, width: usize) -> [usize; 2] {
        let [h, w] = self.image_shape();
        [width * h / w.max(1), width]
    }

    fn network(&self, kind: &str, size: [usize; 2]) -> Result<Option<LossNetwork>> {
        self.manifest.losses.iter().find(|l| l.kind == kind).map(|l| self.loss(l, size)).transpose()
    }

    /// Wraps a stored network: resize to the size it is made for, and the mean over positions of `squared`.
    fn loss(&self, loss: &Loss, size: [usize; 2]) -> Result<LossNetwork> {
        let seen = loss.resolution.map_or(size, |r| [r; 2]);
        let stored = read::from_file(&self.path(&loss.file), &[("image", &[1, 3, seen[0], seen[1]])])?;
        let stored = match &loss.output {
            Some(output) => only_outputs(&stored, &[output])?,
            None => stored,
        };
        let b = Builder::new();
        let image = b.input("image", &[1, 3, size[0], size[1]]);
        let outputs = b.inline(&stored, &[("image", resized(image, seen))])?;
        for ((name, _), y) in stored.outputs().iter().zip(outputs) {
            let positions: usize = y.shape().iter().skip(2).product();
            let y = match loss.distance {
                Distance::Squared => y * (1.0 / (positions as f32).sqrt()),
                Distance::Cosine => y,
            };
            b.output(name, y);
        }
        Ok(LossNetwork { name: loss.kind.clone(), graph: b.finish()?, distance: loss.distance })
    }

    /// Generator and loss networks, as tuning takes them.
    pub fn similarity_loss(&self) -> Result<SimilarityLoss> {
        self.similarity_loss_with(self.generator()?)
    }

    /// As [`Bundle::objective`], with the generator that was read already.
    pub fn similarity_loss_with(&self, generator: Graph) -> Result<SimilarityLoss> {
        let resolution = self.loss_resolution();
        Ok(SimilarityLoss {
            generator,
            tunable: self.tunable().to_vec(),
            networks: self.losses(resolution)?,
            resolution,
        })
    }

    /// LPIPS of two images of `size` (height, width), for evaluation: `a`, `b` `[1, 3, H, W]` in `[-1, 1]` → `distance` `[1]`.
    pub fn lpips_distance(&self, size: [usize; 2]) -> Result<Option<Graph>> {
        let Some(lpips) = self.network("lpips", size)? else { return Ok(None) };
        let builder = Builder::new();
        let input = |name| builder.input(name, &[1, 3, size[0], size[1]]);
        let a = builder.inline(&lpips.graph, &[("image", input("a"))])?;
        let b = builder.inline(&lpips.graph, &[("image", input("b"))])?;
        let terms = a.into_iter().zip(b).map(|(a, b)| (a - b).square().sum_all());
        let distance = terms.reduce(|x, y| x + y).unwrap_or_else(|| builder.scalar(0.0));
        builder.output("distance", distance.reshape(&[1]));
        Ok(Some(builder.finish()?))
    }

    /// Editing directions; none where the bundle has none.
    pub fn directions(&self) -> Result<Directions> {
        match &self.manifest.directions {
            Some(file) => Directions::read(&self.path(file)),
            None => Ok(Directions::default()),
        }
    }

    /// ONNX bytes of the face detector, the landmark network and the identity network for evaluation, in this order;
    /// `None` for a bundle that is not of faces.
    pub fn face_networks(&self) -> Result<Option<[Vec<u8>; 3]>> {
        let Some(face) = &self.manifest.face else { return Ok(None) };
        let read = |file: &str| {
            let path = self.path(file);
            std::fs::read(&path).map_err(Error::io("reading", &path))
        };
        Ok(Some([read(&face.detector)?, read(&face.landmarks)?, read(&face.evaluation)?]))
    }
}

/// Bilinear, pixel centres aligned. An image that is made larger has no frequencies that would alias.
fn resized(image: Expr<'_>, [h, w]: [usize; 2]) -> Expr<'_> {
    if image.shape()[2..] == [h, w] {
        return image;
    }
    let b = image.builder();
    let sizes = b.constant(Tensor::ints(&[1, 3, h as i64, w as i64]));
    let attrs = Attrs::new().str("mode", "linear").str("coordinate_transformation_mode", "half_pixel");
    b.op("Resize", &[Some(image), None, None, Some(sizes)], attrs)[0]
}

/// sha256 of a file in hexadecimal.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut file = std::fs::File::open(path).map_err(Error::io("reading", path))?;
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block).map_err(Error::io("reading", path))? {
            0 => break,
            n => hash.update(&block[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
