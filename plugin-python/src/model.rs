//! A model: opens, inverts, generates, measures.

use crate::convert::{Mask, array, photo};
use crate::errors::{InputError, exception};
use crate::face::Face;
use crate::records::{Direction, Metrics};
use crate::worker::{run, run_with_progress};
use gani_core::bundle::{Bundle, default_name};
use gani_core::edit::Generator;
use gani_core::face::FaceChoice;
use gani_core::face_session::{FaceSelection, FaceSession};
use gani_core::inversion::{CACHE_LIMIT, Cache, Inversion};
use gani_core::invert::InvertOptions;
use gani_core::photo::image_from_crop;
use gani_core::settings::{Method, Preset};
use numpy::{PyArray3, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;

/// Names of the installed models.
#[pyfunction]
pub fn models(py: Python<'_>) -> PyResult<Vec<String>> {
    run(py, |_| Ok(Bundle::list().into_iter().map(|(name, _)| name).collect()))
}

/// A generator with the networks that inversion needs. It may be used from several threads.
///
/// model: the name of an installed model, or the path of a model's folder. By default the environment variable GANI_MODEL, else
/// "ffhq-1024".
/// device: "auto" (CUDA if it works, else the CPU), "cpu", "cuda" or "cuda:N".
/// threads: number of CPU threads; 0 for all cores. The first model of the process decides.
///
/// Raises InputError if there is no such model, ModelError if it is damaged, RuntimeError if ONNX Runtime is missing.
#[pyclass(frozen, module = "gani")]
pub struct Model(pub gani_core::Model);

#[pymethods]
impl Model {
    #[new]
    #[pyo3(signature = (model = None, *, device = "auto", threads = 0))]
    fn new(py: Python<'_>, model: Option<PathBuf>, device: &str, threads: usize) -> PyResult<Model> {
        let name = match &model {
            Some(model) => {
                model.to_str().ok_or_else(|| InputError::new_err("the model's name is not UTF-8"))?
            }
            None => &default_name(),
        };
        run(py, |_| gani_core::Model::builder().device(device.parse()?).threads(threads).open(name))
            .map(Model)
    }

    /// The model's name.
    #[getter]
    fn name(&self) -> &str {
        self.0.bundle.name()
    }

    /// The license of its networks.
    #[getter]
    fn license(&self) -> &str {
        &self.0.bundle.manifest().license
    }

    /// The device that runs the networks: "cpu" or "cuda:N".
    #[getter]
    fn device(&self) -> String {
        self.0.runtime.device().to_string()
    }

    /// Width R of the generator's images in pixels.
    #[getter]
    fn resolution(&self) -> usize {
        self.0.resolution()
    }

    /// All directions: those with a meaning first, then the principal components. There are also "sefa.0" and so on, which are computed
    /// from the generator.
    #[getter]
    fn directions(&self, py: Python<'_>) -> PyResult<Vec<Direction>> {
        run(py, |_| {
            let all = self.0.directions()?;
            let named = all.named.iter().map(|direction| Direction::new(direction, true));
            Ok(named.chain(all.pca.iter().map(|direction| Direction::new(direction, false))).collect())
        })
    }

    /// Inverts a face of a photo: minutes with the 1024 px model. Other Python threads run meanwhile.
    ///
    /// photo: a path, a Photo, or an array [H, W, 3] or [H, W, 4] of uint8 in sRGB.
    /// preset: "draft", "fast", "best" or "paper".
    /// method: "direct", "gani", "pti", "w", "w+", "encoder" or "restyle"; by default the preset's.
    /// face: "largest", or the number of a face, from 1 (leftmost).
    /// mask: an array [H, W] of uint8, 0 (not selected) to 255; with face="largest", the face that it covers most is inverted.
    /// aligned: whether the photo is an aligned face crop already. It is then not searched for faces.
    /// iterations, refine_steps: numbers of steps, instead of the preset's.
    /// settings: further settings by their path in the inversion file, such as {"tune.lambda_localization": 0}.
    /// seed: the same seed and number of threads give the same bytes.
    /// cache: True for the cache of the editors, or a folder: an inversion with the same options is read from it, others are stored.
    /// preview_interval: tuning steps from one preview to the next; 0 for none.
    /// progress: called with a Progress at the begin of each stage and after each step. If it returns False, Cancelled is raised; its
    /// exceptions end the inversion, too. Ctrl-C works.
    ///
    /// Raises InputError if there is no such face or an option is invalid, RuntimeError, Cancelled.
    #[pyo3(signature = (photo, *, preset = "best", method = None, face = None, mask = None, aligned = false, iterations = None,
                        refine_steps = None, settings = None, seed = 0, cache = None, preview_interval = 0, progress = None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn invert(
        &self,
        #[pyo3(from_py_with = photo)] photo: gani_core::Photo,
        preset: &str,
        method: Option<&str>,
        face: Option<&Bound<'_, PyAny>>,
        mask: Option<PyReadonlyArray2<'_, u8>>,
        aligned: bool,
        iterations: Option<usize>,
        refine_steps: Option<usize>,
        settings: Option<&Bound<'_, PyDict>>,
        seed: u64,
        cache: Option<&Bound<'_, PyAny>>,
        preview_interval: usize,
        progress: Option<&Bound<'_, PyAny>>,
        py: Python<'_>,
    ) -> PyResult<Face> {
        let preset: Preset = preset.parse().map_err(exception)?;
        let method: Option<Method> = method.map(str::parse).transpose().map_err(exception)?;
        let choice: FaceChoice = match face {
            Some(face) => face.str()?.to_string().parse().map_err(exception)?,
            None => FaceChoice::Largest,
        };
        let mask = mask.as_ref().map(Mask::new);
        let cache = cache_of(cache)?;
        let text = |(path, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            Ok((path.extract::<String>()?, value.str()?.to_string()))
        };
        let settings: Vec<_> = settings.into_iter().flatten().map(text).collect::<PyResult<_>>()?;
        let session = run_with_progress(py, progress, |cancel, on_progress| {
            let method = method.unwrap_or(preset.method());
            let mut options = InvertOptions::with_method(&self.0, method, preset)?;
            if let Some(steps) = iterations {
                options.settings.set_iterations(method, steps);
            }
            if let Some(steps) = refine_steps {
                options.settings.refine.set_steps(steps);
            }
            settings.iter().try_for_each(|(path, value)| options.settings.set(path, value))?;
            (options.seed, options.preview_interval) = (seed, preview_interval);
            let face = match aligned {
                true => FaceSelection::Aligned,
                false => FaceSelection::Face {
                    choice,
                    selection: mask.as_ref().map(|mask| mask.view(&photo)).transpose()?,
                },
            };
            let mut inverter = self.0.inverter().options(options).face(face).cancel(cancel);
            if let Some(cache) = cache {
                inverter = inverter.cache(cache);
            }
            inverter.on_progress(on_progress).invert(&photo)
        })?;
        Ok(Face(session))
    }

    /// Opens an inversion file, written by Face.save or by "gani invert".
    ///
    /// Raises InputError if it belongs to another model, ModelError if it is damaged, FileError.
    fn open(&self, py: Python<'_>, path: PathBuf) -> PyResult<Face> {
        run(py, |_| FaceSession::open(&self.0, Inversion::open(path)?)).map(Face)
    }

    /// Generates a face that does not exist: an array [R, R, 3] of uint8 in sRGB.
    ///
    /// seed: the face. psi: truncation; 0 gives the mean face, 1 disables truncation. edits: as for Face.edit.
    ///
    /// Raises UnsupportedError if the model has no mapping network, InputError for an unknown direction.
    #[pyo3(signature = (seed = 0, *, psi = 0.7, edits = None))]
    fn generate<'py>(
        &self,
        py: Python<'py>,
        seed: u64,
        psi: f32,
        edits: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let edits = crate::convert::edits(edits)?;
        let image = run(py, |cancel| {
            let generator = Generator::untuned(&self.0)?;
            let ws = generator.apply_edits(&self.0.sample(seed, psi, cancel)?, &edits, None)?;
            Ok(image_from_crop(generator.image(ws.view(), cancel)?.view()))
        })?;
        Ok(array(py, image))
    }

    /// Compares two images at 256 x 256 pixels. Each is a path, a Photo, or an array; the order matters for MS-SSIM.
    #[pyo3(signature = (result, target))]
    fn measure(
        &self,
        #[pyo3(from_py_with = photo)] result: gani_core::Photo,
        #[pyo3(from_py_with = photo)] target: gani_core::Photo,
        py: Python<'_>,
    ) -> PyResult<Metrics> {
        run(py, |cancel| self.0.measure(result.to_tensor().view(), target.to_tensor().view(), cancel))
            .map(Metrics::from)
    }

    fn __repr__(&self) -> String {
        format!("<gani.Model {}, {} px, {}>", self.name(), self.resolution(), self.device())
    }
}

/// The cache: None and False for none, True for the user's, else its folder.
fn cache_of(cache: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Cache>> {
    match cache {
        None => Ok(None),
        Some(wanted) => match wanted.extract::<bool>() {
            Ok(wanted) => Ok(Cache::for_user().filter(|_| wanted)),
            Err(_) => Ok(Some(Cache::new(wanted.extract::<PathBuf>()?, CACHE_LIMIT))),
        },
    }
}
