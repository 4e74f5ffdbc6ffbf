//! The computation on the worker thread: opens the model, finds the face, inverts it, renders edits.

use crate::messages::{Event, PREVIEW_SIZE, Preview, Rendered, Request};
use crate::patch::Patch;
use crate::pixels::InputLayer;
use crate::settings::Settings;
use crossbeam_channel::Sender;
use gani_core::Result;
use gani_core::edit::Edit;
use gani_core::face::Keep;
use gani_core::face_session::{AlignedFace, FaceSelection, FaceSession};
use gani_core::inversion::Cache;
use gani_core::invert::{InvertOptions, Progress, Stage};
use gani_core::model::Model;
use gani_core::photo::{Photo, image_from_crop, resize};
use gani_core::runtime::Cancel;
use ndarray::{ArcArray, ArrayView4, Ix4};
use std::time::{Duration, Instant};

/// Tuning steps between two previews of a running inversion.
const PREVIEW_INTERVAL: usize = 10;

/// The state of the worker thread. Each request computes only what earlier requests have not.
pub struct Engine {
    layer: InputLayer,
    events: Sender<Event>,
    cache: Option<Cache>,
    photo: Option<Photo>,
    model: Option<Model>,
    found: Option<(Settings, AlignedFace)>,
    face: Option<FaceSession>,
    /// The last rendered edits and image `[1,3,R,R]`. OK usually renders the edits of the last preview.
    last_render: Option<(Vec<Edit>, ArcArray<f32, Ix4>)>,
}

impl Engine {
    /// An engine that edits `layer` and reports to `events`.
    pub fn new(layer: InputLayer, events: Sender<Event>) -> Engine {
        let cache = Cache::for_user();
        Engine { layer, events, cache, photo: None, model: None, found: None, face: None, last_render: None }
    }

    /// Handles a request and sends its result.
    pub fn handle(&mut self, request: Request, cancel: &Cancel) -> Result<()> {
        match request {
            Request::FindFace(settings) => {
                self.find_face(&settings, cancel)?;
                if let Some((_, found)) = &self.found {
                    let inverted = self.face.is_some();
                    self.send(Event::FaceFound { preview: preview(found.crop.view()), inverted });
                }
            }
            Request::Invert => {
                self.invert(cancel)?;
                self.send(Event::Inverted);
            }
            Request::Preview(edits, keep) => self.show(&edits, keep, cancel)?,
            Request::Render(settings, all_edits, keep) => {
                self.find_face(&settings, cancel)?;
                self.invert(cancel)?;
                self.render(&all_edits, keep, cancel)?;
            }
        }
        Ok(())
    }

    /// Opens the model, finds the face, and loads its inversion if the cache has one. Does nothing if `settings` are those
    /// of the last call.
    fn find_face(&mut self, settings: &Settings, cancel: &Cancel) -> Result<()> {
        if self.found.as_ref().is_some_and(|(known, _)| known == settings) {
            return Ok(());
        }
        let previous = self.found.take().map(|(settings, _)| settings);
        self.face = None;
        self.last_render = None;
        if previous.is_none_or(|p| (p.model_name(), p.device) != (settings.model_name(), settings.device)) {
            self.model = None;
        }
        let model = match self.model.take() {
            Some(model) => model,
            None => {
                self.progress("Loading the model", None);
                let device = settings.device;
                Model::builder().device(device).open(settings.model_name())?
            }
        };
        let photo = match self.photo.take() {
            Some(photo) => photo,
            None => to_photo(&self.layer)?,
        };
        self.progress("Finding the face", None);
        let (model, photo) = (self.model.insert(model), self.photo.insert(photo));
        let selection = self.layer.selection.as_ref().map(|mask| mask.view());
        let face = FaceSelection::Face { choice: settings.face, selection };
        let found = AlignedFace::find(model, photo, &face, cancel)?;
        let options = InvertOptions::new(model, settings.preset)?;
        if let Some(cache) = &self.cache {
            self.face = found.cached(model, &options, cache)?;
        }
        self.found = Some((settings.clone(), found));
        Ok(())
    }

    /// Inverts the face that [`Engine::find_face`] found, unless it is inverted.
    fn invert(&mut self, cancel: &Cancel) -> Result<()> {
        let (Some(model), Some((settings, found)), None) = (&self.model, &self.found, &self.face) else {
            return Ok(());
        };
        let options = InvertOptions {
            preview_interval: PREVIEW_INTERVAL,
            ..InvertOptions::new(model, settings.preset)?
        };
        let started = Instant::now();
        let mut on_progress = |progress: Progress<'_>| match progress {
            Progress::Begin(stage) => self.progress(&stage_text(stage), None),
            Progress::Step { stage, step, steps, remaining, .. } => {
                let text = format!("{}, step {step} of {steps}", stage_text(stage));
                match remaining {
                    None => self.progress(&text, None),
                    Some(remaining) => {
                        let elapsed = started.elapsed().as_secs_f64();
                        let fraction = elapsed / (elapsed + remaining.as_secs_f64());
                        self.progress(
                            &format!("{text}, {} left", format_duration(remaining)),
                            Some(fraction),
                        );
                    }
                }
            }
            Progress::Preview(image) => self.send(Event::InversionPreview(preview(image))),
            _ => {}
        };
        let face = found.invert(model, &options, self.cache.as_ref(), cancel, &mut on_progress)?;
        self.face = Some(face);
        Ok(())
    }

    /// Renders a preview of the inverted face with edits and sends it.
    fn show(&mut self, edits: &[Edit], keep: Keep, cancel: &Cancel) -> Result<()> {
        let image = self.image(edits, cancel)?;
        if let (Some(image), Some(face), Some((_, found))) = (image, &self.face, &self.found) {
            let crop = resize(found.crop.view(), PREVIEW_SIZE, PREVIEW_SIZE);
            let composite = face.preview(image.view(), crop.view(), keep, cancel)?;
            self.send(Event::EditPreview(preview(composite.view())));
        }
        Ok(())
    }

    /// Renders the inverted face with each list of edits and sends the patches.
    fn render(&mut self, all_edits: &[Vec<Edit>], keep: Keep, cancel: &Cancel) -> Result<()> {
        let Some(face) = &self.face else { return Ok(()) };
        let from_cache = face.from_cache;
        let alignment = *face.inversion.alignment_in(&to_photo(&self.layer)?, false)?;
        let mut patches = Vec::new();
        for (i, edits) in all_edits.iter().enumerate() {
            self.progress("Rendering the face", Some(i as f64 / all_edits.len() as f64));
            let image = self.image(edits, cancel)?;
            if let (Some(image), Some(face)) = (image, &self.face) {
                let face = face.edited_face(image.view(), keep, cancel)?;
                patches.push(Patch::new(&self.layer.pixels, &face, &alignment, keep)?);
            }
        }
        self.send(Event::Rendered(Rendered { patches, from_cache }));
        Ok(())
    }

    /// The face with edits, `[1,3,R,R]` in `[-1,1]`; none before it is inverted.
    fn image(&mut self, edits: &[Edit], cancel: &Cancel) -> Result<Option<ArcArray<f32, Ix4>>> {
        let Some(face) = &self.face else { return Ok(None) };
        if let Some((_, image)) = self.last_render.as_ref().filter(|(known, _)| known == edits) {
            return Ok(Some(image.clone()));
        }
        let image = face.image_with_cancel(edits, cancel)?.into_shared();
        self.last_render = Some((edits.to_vec(), image.clone()));
        Ok(Some(image))
    }

    fn progress(&self, text: &str, fraction: Option<f64>) {
        self.send(Event::Progress { text: text.to_string(), fraction });
    }

    fn send(&self, event: Event) {
        // Sending fails after the main thread has dropped the receiver. It has cancelled the request by then.
        _ = self.events.send(event);
    }
}

/// The layer as a photo of 16-bit RGB. A layer converted to another precision then gives the same photo and cache key.
fn to_photo(layer: &InputLayer) -> Result<Photo> {
    let photo = layer.pixels.image()?.to_photo(&layer.name)?;
    Ok(Photo { pixels: photo.pixels.into_rgb16().into(), ..photo })
}

/// An image `[1,3,R,R]` in `[-1,1]`, resized for the dialog.
fn preview(image: ArrayView4<'_, f32>) -> Preview {
    Preview(image_from_crop(resize(image, PREVIEW_SIZE, PREVIEW_SIZE).view()).into_raw())
}

fn stage_text(stage: Stage) -> String {
    format!("Inverting the face: {}", stage.label())
}

/// `45 s`, `2 min 10 s`, `12 min`.
fn format_duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().ceil() as u64;
    match (seconds / 60, seconds % 60) {
        (0, s) => format!("{s} s"),
        (m, s) if m < 10 => format!("{m} min {s} s"),
        (m, _) => format!("{m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_minutes_and_seconds() {
        let texts = [45, 130, 720].map(|seconds| format_duration(Duration::from_secs(seconds)));
        assert_eq!(texts, ["45 s", "2 min 10 s", "12 min"]);
    }
}
