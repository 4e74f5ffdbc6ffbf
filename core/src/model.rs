//! A bundle ready to run: its graphs are read and its sessions created on first use.

use crate::bundle::{Bundle, Directions};
use crate::face::{Face, FaceFinder};
use crate::loss::SimilarityLoss;
use crate::metrics::{self, Identity, Metrics};
use crate::photo::{Photo, resize};
use crate::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions, Session};
use crate::settings::{self, Method, Preset, Settings};
use crate::util::random::{normal, seeded};
use crate::util::tensor::first_output;
use crate::{Error, Result};
use gani_onnx::Graph;
use ndarray::{Array2, ArrayD, ArrayView4};
use std::path::PathBuf;
use std::sync::{Arc, Once, OnceLock};

/// A bundle and the runtime that runs it. Clones share what is loaded. It may be used from several threads.
#[derive(Clone)]
pub struct Model {
    /// The bundle.
    pub bundle: Bundle,
    /// The runtime.
    pub runtime: Runtime,
    loaded: Arc<Loaded>,
}

/// Opens a [`Model`] with a device, a number of threads, or an ONNX Runtime library of your choice.
#[derive(Clone, Debug, Default)]
pub struct ModelBuilder(RuntimeOptions);

impl ModelBuilder {
    /// The device; by default CUDA device 0 if it works, otherwise the CPU.
    pub fn device(mut self, device: DeviceChoice) -> ModelBuilder {
        self.0.device = device;
        self
    }

    /// CPU threads; 0, the default: all cores.
    pub fn threads(mut self, threads: usize) -> ModelBuilder {
        self.0.threads = threads;
        self
    }

    /// The file of the ONNX Runtime library, see [`Runtime::load`] for the default.
    pub fn library(mut self, file: impl Into<PathBuf>) -> ModelBuilder {
        self.0.library = Some(file.into());
        self
    }

    /// Loads ONNX Runtime and opens a bundle; errors as [`Model::open`].
    pub fn open(self, name: &str) -> Result<Model> {
        Model::with_runtime(name, Runtime::load(&self.0)?)
    }
}

/// What has been loaded so far.
#[derive(Default)]
struct Loaded {
    generator: OnceLock<Graph>,
    similarity_loss: OnceLock<SimilarityLoss>,
    directions: OnceLock<Directions>,
    faces: OnceLock<Option<(FaceFinder, Session)>>,
    lpips: OnceLock<Option<Session>>,
    lpips_at_full_resolution: OnceLock<Option<Session>>,
    encoder: OnceLock<Option<(Session, [usize; 2])>>,
    mapping: OnceLock<Session>,
}

impl Model {
    /// Opens a bundle by name (`ffhq-1024`) or by the path of its folder, on a CUDA device if one works and else on the CPU.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no such bundle, [`Error::Model`] for a damaged one, [`Error::Runtime`] if ONNX Runtime is
    /// missing. The messages say how to fix it.
    pub fn open(name: &str) -> Result<Model> {
        Model::builder().open(name)
    }

    /// Options for device, threads and library.
    pub fn builder() -> ModelBuilder {
        ModelBuilder::default()
    }

    /// As [`Model::open`], with a runtime that is loaded already. Logs [`Bundle::notice`] as a warning, once per process.
    pub fn with_runtime(name: &str, runtime: Runtime) -> Result<Model> {
        static NOTICE: Once = Once::new();
        let bundle = Bundle::open(name)?;
        if let Some(notice) = bundle.notice() {
            NOTICE.call_once(|| log::warn!("{notice}"));
        }
        Ok(Model { bundle, runtime, loaded: Arc::default() })
    }

    /// As [`Model::with_runtime`], by the name that a file states, see [`Bundle::open_named`].
    pub fn with_runtime_named(name: &str, runtime: Runtime) -> Result<Model> {
        Ok(Model { bundle: Bundle::open_named(name)?, runtime, loaded: Arc::default() })
    }

    /// Resolution R of the generator's image: its width in pixels.
    pub fn resolution(&self) -> usize {
        self.bundle.resolution()
    }

    /// Resolution of the crop that inversion takes: R, but at least the 256 px of the encoder.
    ///
    /// # Errors
    /// [`Error::Model`] if the generator makes images of another size than the manifest states. It is read by the first call.
    pub fn crop_resolution(&self) -> Result<usize> {
        self.generator()?;
        Ok(self.resolution().max(metrics::RESOLUTION))
    }

    /// The generator's graph, lowered for the device ([`Runtime::lowered`]).
    pub fn generator(&self) -> Result<&Graph> {
        get_or_try(&self.loaded.generator, || self.runtime.lowered(self.bundle.generator()?))
    }

    /// Height and width of the crop that inversion takes; errors as [`Model::crop_resolution`].
    pub fn crop_shape(&self) -> Result<[usize; 2]> {
        let ([h, w], width) = (self.bundle.image_shape(), self.crop_resolution()?);
        Ok([width * h / w.max(1), width])
    }

    /// A preset's settings for this bundle's domain (Table 1), or for `domain`, adapted to what the bundle has. A loss network with
    /// a λ of its own in the manifest gets that λ; a term without network gets 0. Without an encoder, latent refinement has more
    /// steps. Without a distribution of w there is no localization.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown domain.
    pub fn settings(&self, method: Method, preset: Preset, domain: Option<&str>) -> Result<Settings> {
        let domain = match domain {
            Some(name) => settings::domain(name)?,
            None => self.bundle.domain()?,
        };
        let mut settings = preset.settings(method, &domain);
        let manifest = self.bundle.manifest();
        let lambda = &mut settings.tune.loss_weights.lambda;
        let stated = manifest.losses.iter().filter_map(|l| Some((l.kind.clone(), l.lambda?)));
        lambda.extend(stated);
        for (_, lambda) in lambda
            .iter_mut()
            .filter(|(term, _)| *term != "pixel" && !manifest.losses.iter().any(|l| l.kind == **term))
        {
            *lambda = 0.0;
        }
        if manifest.encoder.is_none() {
            settings.refine = settings.refine.from_mean_latent();
        }
        if manifest.mapping.file.is_none() && self.directions()?.pca.is_empty() {
            settings.tune.lambda_localization = 0.0;
        }
        Ok(settings)
    }

    /// Eq. 1: the generator and the loss networks.
    pub fn similarity_loss(&self) -> Result<&SimilarityLoss> {
        get_or_try(&self.loaded.similarity_loss, || {
            self.bundle.similarity_loss_with(self.generator()?.clone())
        })
    }

    /// Editing directions.
    pub fn directions(&self) -> Result<&Directions> {
        get_or_try(&self.loaded.directions, || self.bundle.directions())
    }

    /// The face detector; `None` for bundles of other domains.
    pub fn face_finder(&self) -> Result<Option<&FaceFinder>> {
        Ok(self.face_networks()?.as_ref().map(|(finder, _)| finder))
    }

    /// All faces of `photo`, from left to right. A photo without faces is not an error.
    ///
    /// # Errors
    /// [`Error::Input`] with the reason, if the only possible faces have unreliable landmarks; [`Error::Unsupported`] for a bundle
    /// without a face detector.
    pub fn faces(&self, photo: &Photo, cancel: &Cancel) -> Result<Vec<Face>> {
        self.required_face_finder()?.usable_faces(photo, cancel)
    }

    /// The face detector.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a bundle without one.
    pub(crate) fn required_face_finder(&self) -> Result<&FaceFinder> {
        self.face_finder()?.ok_or_else(|| {
            Error::Unsupported(format!(
                "the model `{}` has no face detector; crop the photo yourself, and invert it as an aligned crop",
                self.bundle.name()
            ))
        })
    }

    /// FaceMesh's points on the face in an aligned image `[1,3,R,R]` in `[-1,1]`, as fractions of its side. Empty if the image
    /// shows no face, or the bundle has no landmark network.
    pub fn face_points(&self, image: ArrayView4<'_, f32>, cancel: &Cancel) -> Result<Vec<[f64; 2]>> {
        let side = image.dim().3 as f64;
        let Some(finder) = self.face_finder()? else { return Ok(Vec::new()) };
        let landmarks = finder.aligned_landmarks(image, cancel)?;
        let points = landmarks.into_iter().flat_map(|landmarks| landmarks.points);
        Ok(points.map(|[x, y, _]| [x / side, y / side]).collect())
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

    /// As [`Model::measure`], at the generator's resolution and without the identity.
    ///
    /// # Errors
    /// As [`metrics::measure`]. MS-SSIM is `None` below the resolution that it needs.
    pub fn measure_at_full_resolution(
        &self,
        result: ArrayView4<'_, f32>,
        target: ArrayView4<'_, f32>,
        cancel: &Cancel,
    ) -> Result<Metrics> {
        let lpips = get_or_try(&self.loaded.lpips_at_full_resolution, || {
            let graph = self.bundle.lpips_distance(self.bundle.image_shape())?;
            graph.map(|graph| self.runtime.compile("LPIPS at full resolution", &graph)).transpose()
        })?;
        metrics::measure_at_full_resolution(result, target, lpips.as_ref(), cancel)
    }

    /// LPIPS of two images at 256 px, if the bundle has it.
    pub(crate) fn lpips(&self) -> Result<Option<&Session>> {
        let lpips = get_or_try(&self.loaded.lpips, || {
            let graph = self.bundle.lpips_distance([metrics::RESOLUTION; 2])?;
            graph.map(|graph| self.runtime.compile("LPIPS", &graph)).transpose()
        })?;
        Ok(lpips.as_ref())
    }

    /// Identity features, for bundles of faces.
    pub(crate) fn identity(&self) -> Result<Option<Identity<'_>>> {
        let faces = self.face_networks()?.as_ref();
        Ok(faces.map(|(faces, features)| Identity { faces, features }))
    }

    fn mapping_session(&self) -> Result<&Session> {
        get_or_try(&self.loaded.mapping, || {
            let graph = self.bundle.mapping()?.ok_or_else(|| {
                Error::Unsupported(format!(
                    "the model `{}` has neither a mapping network nor principal components, so no latent can be sampled; \
                     give a latent, or import the model again with its mapping network",
                    self.bundle.name()
                ))
            })?;
            self.runtime.compile("mapping", &graph)
        })
    }

    /// The mapping network: f(z) of a latent z `[512]`, repeated for every style layer, `[n,512]`.
    pub fn mapping(&self, z: &[f32], cancel: &Cancel) -> Result<Array2<f32>> {
        let mapping = self.mapping_session()?;
        let z =
            ndarray::ArrayView2::from_shape((1, z.len()), z).map_err(|e| Error::Input(format!("z: {e}")))?;
        self.broadcast(&first_output(mapping.run(&[("z", z.into_dyn())], cancel)?)?)
    }

    /// A truncated latent `[n,512]` with z from `seed`: w̄ + ψ (f(z) − w̄), where ψ is `truncation_psi`.
    pub fn sample(&self, seed: u64, truncation_psi: f32, cancel: &Cancel) -> Result<Array2<f32>> {
        let dim = self.mapping_session()?.inputs().first().map_or(0, |z| z.shape.iter().product());
        let z = normal(&mut seeded(seed, 0), dim);
        let mean = self.broadcast(&self.bundle.w_avg()?.into_dyn())?;
        Ok(&mean + (self.mapping(&z, cancel)? - &mean) * truncation_psi)
    }

    /// The encoder's estimate of w for a crop `[1,3,S,S]`, repeated for every style layer, `[n,512]`; the mean of w if the bundle
    /// has no encoder.
    pub fn encode(&self, crop: ArrayView4<'_, f32>, cancel: &Cancel) -> Result<Array2<f32>> {
        let encoder = get_or_try(&self.loaded.encoder, || {
            let Some(graph) = self.bundle.encoder()? else { return Ok(None) };
            let &[_, 3, height, width] = graph.input_shape("image")? else {
                return Err(Error::Model(format!(
                    "the encoder of `{}` takes images {:?}, not [1, 3, H, W]; an encoder with six channels works with the \
                     method restyle only",
                    self.bundle.name(),
                    graph.input_shape("image")?
                )));
            };
            Ok(Some((self.runtime.compile("encoder", &graph)?, [height, width])))
        })?;
        let Some((encoder, [height, width])) = encoder else {
            return self.broadcast(&self.bundle.w_avg()?.into_dyn());
        };
        let small = resize(crop, *height, *width);
        self.broadcast(&first_output(encoder.run(&[("image", small.view().into_dyn())], cancel)?)?)
    }

    /// w repeated for every style layer, `[n,512]`. A latent that has more layers than the generator is cut.
    pub fn broadcast(&self, w: &ArrayD<f32>) -> Result<Array2<f32>> {
        let [num_ws, w_dim] = self.ws_shape()?;
        let values = w.iter().copied().cycle().take(num_ws * w_dim).collect();
        Array2::from_shape_vec((num_ws, w_dim), values)
            .map_err(|e| Error::Model(format!("a latent of {} numbers: {e}", w.len())))
    }

    /// n: number of style layers, and so of w in w+.
    pub fn num_ws(&self) -> Result<usize> {
        self.ws_shape().map(|[num_ws, _]| num_ws)
    }

    /// Length of w: 512.
    pub fn w_dim(&self) -> Result<usize> {
        self.ws_shape().map(|[_, w_dim]| w_dim)
    }

    fn ws_shape(&self) -> Result<[usize; 2]> {
        match *self.generator()?.input_shape("ws")? {
            [_, num_ws, w_dim] => Ok([num_ws, w_dim]),
            ref other => Err(Error::Model(format!(
                "the generator's input ws has the shape {other:?}, not [1, n, 512]"
            ))),
        }
    }
}

/// `OnceLock::get_or_try_init`, which is not stable yet.
fn get_or_try<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    match cell.get() {
        Some(value) => Ok(value),
        None => {
            let value = make()?;
            Ok(cell.get_or_init(|| value))
        }
    }
}
