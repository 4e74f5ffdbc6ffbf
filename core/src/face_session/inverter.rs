//! A builder for inversions: `model.inverter().preset(…).on_progress(…).invert(&photo)`.

use super::{AlignedFace, FaceSelection, FaceSession};
use crate::Result;
use crate::inversion::Cache;
use crate::invert::{InvertOptions, Progress, Stage};
use crate::model::Model;
use crate::photo::Photo;
use crate::runtime::Cancel;
use crate::settings::{Method, Preset, Settings};

impl Model {
    /// Inverts photos. Without further calls: the largest face, the preset `best`, seed 0, no cache.
    pub fn inverter(&self) -> Inverter<'_> {
        Inverter {
            model: self,
            preset: Preset::Best,
            method: None,
            settings: None,
            seed: 0,
            preview_interval: 0,
            face: FaceSelection::default(),
            cache: None,
            cancel: Cancel::new(),
            on_progress: Box::new(|_| {}),
        }
    }
}

/// An inversion to be run, see [`Model::inverter`].
pub struct Inverter<'a> {
    model: &'a Model,
    preset: Preset,
    method: Option<Method>,
    settings: Option<Settings>,
    seed: u64,
    preview_interval: usize,
    face: FaceSelection<'a>,
    cache: Option<Cache>,
    cancel: Cancel,
    on_progress: Box<dyn FnMut(Progress<'_>) + 'a>,
}

impl<'a> Inverter<'a> {
    /// The preset.
    pub fn preset(mut self, preset: Preset) -> Self {
        self.preset = preset;
        self
    }

    /// The method; by default the preset's.
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Settings, in place of the preset's.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// The seed of all random numbers. The same seed and number of threads give the same bytes.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Tuning steps from one [`Progress::Preview`] to the next; 0: none.
    pub fn preview_interval(mut self, steps: usize) -> Self {
        self.preview_interval = steps;
        self
    }

    /// Sets preset, method, settings, seed and preview interval at once.
    pub fn options(mut self, options: InvertOptions) -> Self {
        let InvertOptions { method, preset, settings, seed, preview_interval } = options;
        (self.preset, self.method, self.settings) = (preset, Some(method), Some(settings));
        (self.seed, self.preview_interval) = (seed, preview_interval);
        self
    }

    /// The face to invert.
    pub fn face(mut self, face: FaceSelection<'a>) -> Self {
        self.face = face;
        self
    }

    /// Takes the inversion from this cache if it is there, and stores it otherwise.
    pub fn cache(mut self, cache: Cache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Stops the work with [`Error::Cancelled`](crate::Error::Cancelled) when it is set.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Called with each progress event, on the calling thread.
    pub fn on_progress(mut self, on_progress: impl FnMut(Progress<'_>) + 'a) -> Self {
        self.on_progress = Box::new(on_progress);
        self
    }

    /// Finds the face in `photo` and inverts it.
    ///
    /// # Errors
    /// [`Error::Input`](crate::Error::Input) if there is no such face or a setting is out of range;
    /// [`Error::Runtime`](crate::Error::Runtime); [`Error::Cancelled`](crate::Error::Cancelled).
    pub fn invert(mut self, photo: &Photo) -> Result<FaceSession> {
        (self.on_progress)(Progress::Begin(Stage::Find));
        let face = AlignedFace::find(self.model, photo, &self.face, &self.cancel)?;
        let options = self.resolved_options()?;
        if let Some(cache) = &self.cache
            && let Some(session) = face.cached(self.model, &options, cache)?
        {
            return Ok(session);
        }
        face.invert(self.model, &options, self.cache.as_ref(), &self.cancel, self.on_progress)
    }

    /// The options that [`Inverter::invert`] uses: those given, and the preset's for the bundle's domain.
    ///
    /// # Errors
    /// [`Error::Input`](crate::Error::Input) if the bundle names an unknown domain.
    pub fn resolved_options(&self) -> Result<InvertOptions> {
        let method = self.method.unwrap_or(self.preset.method());
        let mut options = InvertOptions::with_method(self.model, method, self.preset)?;
        if let Some(settings) = &self.settings {
            options.settings = settings.clone();
        }
        (options.seed, options.preview_interval) = (self.seed, self.preview_interval);
        Ok(options)
    }
}
