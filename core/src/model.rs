//! A bundle ready to run: its graphs read, its sessions made when first needed.

use crate::bundle::{Bundle, Directions};
use crate::method::Method;
use crate::metrics::{self, Identity, Metrics};
use crate::objective::Objective;
use crate::photo::{Face, FaceFinder, Photo};
use crate::preset::{Preset, Settings};
use crate::runtime::{Cancel, Runtime, Session};
use crate::terms::repeat;
use crate::{Error, Result};
use gani_onnx::Graph;
use ndarray::{Array2, Array4, ArrayD, ArrayView4, Ix4};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::{Arc, OnceLock};

/// A bundle and the runtime that runs it. Clones share what is loaded; all threads may use it.
#[derive(Clone)]
pub struct Model {
    /// The bundle.
    pub bundle: Bundle,
    /// The runtime.
    pub runtime: Runtime,
    loaded: Arc<Loaded>,
}

/// What was needed so far.
#[derive(Default)]
struct Loaded {
    generator: OnceLock<Graph>,
    objective: OnceLock<Objective>,
    directions: OnceLock<Directions>,
    faces: OnceLock<Option<(FaceFinder, Session)>>,
    lpips: OnceLock<Option<Session>>,
    lpips_at_full_size: OnceLock<Option<Session>>,
    encoder: OnceLock<Option<(Session, [usize; 2])>>,
    mapping: OnceLock<Session>,
}

impl Model {
    /// Opens a bundle by name or folder.
    pub fn open(name: &str, runtime: Runtime) -> Result<Model> {
        Ok(Model { bundle: Bundle::open(name)?, runtime, loaded: Arc::default() })
    }

    /// Side R of the generator's image; its width where it is not square.
    pub fn size(&self) -> usize {
        self.bundle.size()
    }

    /// Side of the crop that inversion wants: R, but at least the encoder's 256. The width, where it is not square.
    pub fn crop_size(&self) -> usize {
        self.size().max(metrics::SIZE)
    }

    /// The generator's graph as the runtime computes it fastest: all that editing needs.
    pub fn generator(&self) -> Result<&Graph> {
        get_or_try(&self.loaded.generator, || self.runtime.lowered(self.bundle.generator()?))
    }

    /// Height and width of the crop that inversion wants.
    pub fn crop_shape(&self) -> [usize; 2] {
        let ([h, w], width) = (self.bundle.image_size(), self.crop_size());
        [width * h / w.max(1), width]
    }

    /// A preset's settings for this bundle: its row of Table 1 (or that of `domain`), less what the bundle lacks. A term
    /// without its network weighs nothing; without an encoder the latent is found by gradient alone, in more steps; without
    /// a distribution of w there is no localisation.
    ///
    /// # Errors
    /// [`Error::Input`] where no domain has that name.
    pub fn settings(&self, method: Method, preset: Preset, domain: Option<&str>) -> Result<Settings> {
        let domain = match domain {
            Some(name) => crate::domain::domain(name)?,
            None => self.bundle.domain()?,
        };
        let mut settings = preset.settings(method, domain.weights, domain.iterations);
        let manifest = self.bundle.manifest();
        let has = |kind: &str| manifest.losses.iter().any(|l| l.kind == kind);
        let weights = &mut settings.tune.weights;
        for (kind, lambda) in [
            ("lpips", &mut weights.lambda_lpips),
            ("identity", &mut weights.lambda_identity),
            ("parsing", &mut weights.lambda_parsing),
        ] {
            if !has(kind) {
                *lambda = 0.0;
            }
        }
        if manifest.encoder.is_none() {
            settings.refine = settings.refine.from_the_mean();
        }
        if manifest.mapping.file.is_none() && self.directions()?.pca.is_empty() {
            settings.tune.lambda_local = 0.0;
        }
        Ok(settings)
    }

    /// Generator and loss networks.
    pub fn objective(&self) -> Result<&Objective> {
        get_or_try(&self.loaded.objective, || self.bundle.objective_of(self.generator()?.clone()))
    }

    /// Editing directions.
    pub fn directions(&self) -> Result<&Directions> {
        get_or_try(&self.loaded.directions, || self.bundle.directions())
    }

    /// The face finder, for bundles of faces.
    pub fn face_finder(&self) -> Result<Option<&FaceFinder>> {
        Ok(self.face_networks()?.as_ref().map(|(finder, _)| finder))
    }

    /// All faces of `photo`, from left to right; none is not an error here.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a bundle without a face detector.
    pub fn faces(&self, photo: &Photo, cancel: &Cancel) -> Result<Vec<Face>> {
        let finder = self.face_finder()?.ok_or_else(|| {
            Error::Unsupported(format!(
                "the model `{}` has no face detector; crop the photo yourself and say that it is aligned (--aligned)",
                self.bundle.name()
            ))
        })?;
        finder.faces(photo, cancel)
    }

    fn face_networks(&self) -> Result<&Option<(FaceFinder, Session)>> {
        get_or_try(&self.loaded.faces, || {
            let Some([detector, landmarks, evaluation]) = self.bundle.face_networks()? else {
                return Ok(None);
            };
            let finder = FaceFinder::new(&self.runtime, &detector, &landmarks)?;
            Ok(Some((finder, self.runtime.session("identity for evaluation", &evaluation)?)))
        })
    }

    /// MSE, LPIPS, MS-SSIM and ID of `result` against `target`, both `[1,3,H,W]` in `[-1,1]`.
    pub fn measure(
        &self,
        result: ArrayView4<'_, f32>,
        target: ArrayView4<'_, f32>,
        cancel: &Cancel,
    ) -> Result<Metrics> {
        let networks = metrics::Networks { lpips: self.lpips()?, identity: self.identity()? };
        metrics::measure(result, target, &networks, cancel)
    }

    /// As [`Model::measure`], without the identity, and with images of the generator's size compared as they are.
    ///
    /// # Errors
    /// As [`metrics::measure`]; MS-SSIM is left out below the size that it needs.
    pub fn measure_at_full_size(
        &self,
        result: ArrayView4<'_, f32>,
        target: ArrayView4<'_, f32>,
        cancel: &Cancel,
    ) -> Result<Metrics> {
        let lpips = get_or_try(&self.loaded.lpips_at_full_size, || {
            let graph = self.bundle.lpips_distance(self.bundle.image_size())?;
            graph.map(|graph| self.runtime.compile("LPIPS at full size", &graph)).transpose()
        })?;
        metrics::measure_as_is(result, target, lpips.as_ref(), cancel)
    }

    /// LPIPS of two images at 256 px, where the bundle has it.
    pub(crate) fn lpips(&self) -> Result<Option<&Session>> {
        let lpips = get_or_try(&self.loaded.lpips, || {
            let graph = self.bundle.lpips_distance([metrics::SIZE; 2])?;
            graph.map(|graph| self.runtime.compile("LPIPS", &graph)).transpose()
        })?;
        Ok(lpips.as_ref())
    }

    /// What tells persons apart, for bundles of faces.
    pub(crate) fn identity(&self) -> Result<Option<Identity<'_>>> {
        let faces = self.face_networks()?.as_ref();
        Ok(faces.map(|(faces, features)| Identity { faces, features }))
    }

    fn mapping(&self) -> Result<&Session> {
        get_or_try(&self.loaded.mapping, || {
            let graph = self.bundle.mapping()?.ok_or_else(|| {
                Error::Unsupported(format!(
                    "the model `{}` has neither a mapping network nor principal components, so no latent can be sampled; \
                     give one with --latent, or import the model again with --mapping",
                    self.bundle.name()
                ))
            })?;
            self.runtime.compile("mapping", &graph)
        })
    }

    /// f(z): w `[n,512]` of a latent z `[512]`, repeated for every style layer.
    pub fn map(&self, z: &[f32], cancel: &Cancel) -> Result<Array2<f32>> {
        let mapping = self.mapping()?;
        let z =
            ndarray::ArrayView2::from_shape((1, z.len()), z).map_err(|e| Error::Input(format!("z: {e}")))?;
        self.broadcast(&first_output(mapping.run(&[("z", z.into_dyn())], cancel)?)?)
    }

    /// A latent `[n,512]` sampled from `seed` and pulled towards the mean: w' = w̄ + ψ (f(z) − w̄).
    pub fn sample(&self, seed: u64, psi: f32, cancel: &Cancel) -> Result<Array2<f32>> {
        let dims = self.mapping()?.inputs().first().map_or(0, |z| z.shape.iter().product());
        let z: Vec<f32> = StandardNormal.sample_iter(ChaCha8Rng::seed_from_u64(seed)).take(dims).collect();
        let mean = self.broadcast(&self.bundle.w_avg()?.into_dyn())?;
        Ok(&mean + (self.map(&z, cancel)? - &mean) * psi)
    }

    /// The encoder's estimate of w for a crop `[1,3,S,S]`, repeated for every style layer; the mean w where the bundle
    /// has no encoder.
    pub fn encode(&self, crop: ArrayView4<'_, f32>, cancel: &Cancel) -> Result<Array2<f32>> {
        let encoder = get_or_try(&self.loaded.encoder, || {
            let Some(graph) = self.bundle.encoder()? else { return Ok(None) };
            let &[_, 3, height, width] = graph.input_shape("image")? else {
                return Err(Error::Model(format!(
                    "the encoder of `{}` takes images {:?}, not [1, 3, H, W]; an encoder of six channels is for --method \
                     restyle",
                    self.bundle.name(),
                    graph.input_shape("image")?
                )));
            };
            Ok(Some((self.runtime.compile("encoder", &graph)?, [height, width])))
        })?;
        let Some((encoder, [height, width])) = encoder else {
            return self.broadcast(&self.bundle.w_avg()?.into_dyn());
        };
        let small = metrics::resize(crop, *height, *width);
        self.broadcast(&first_output(encoder.run(&[("image", small.view().into_dyn())], cancel)?)?)
    }

    /// `[n,512]` of the generator from one w.
    pub fn broadcast(&self, w: &ArrayD<f32>) -> Result<Array2<f32>> {
        let [layers, dims] = self.latent_shape()?;
        Array2::from_shape_vec((layers, dims), repeat(w, layers * dims))
            .map_err(|e| Error::Model(format!("a latent of {} numbers: {e}", w.len())))
    }

    /// [n, 512]: style layers and width of a latent.
    pub fn latent_shape(&self) -> Result<[usize; 2]> {
        match *self.generator()?.input_shape("ws")? {
            [_, layers, dims] => Ok([layers, dims]),
            ref other => Err(Error::Model(format!("the generator's input ws is {other:?}, not [1,n,512]"))),
        }
    }
}

/// The first output of a run.
fn first_output(outputs: Vec<ArrayD<f32>>) -> Result<ArrayD<f32>> {
    outputs.into_iter().next().ok_or_else(|| Error::Model("a network of the bundle has no output".into()))
}

/// An image `[1,3,H,W]` out of a run.
pub(crate) fn as_image(outputs: Vec<ArrayD<f32>>) -> Result<Array4<f32>> {
    let image = first_output(outputs)?;
    let shape = image.shape().to_vec();
    image
        .into_dimensionality::<Ix4>()
        .map_err(|_| Error::Model(format!("the generator gives {shape:?}, not an image")))
}

/// `OnceLock::get_or_try_init` of the standard library, which is not stable yet.
fn get_or_try<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    match cell.get() {
        Some(value) => Ok(value),
        None => {
            let value = make()?;
            Ok(cell.get_or_init(|| value))
        }
    }
}
