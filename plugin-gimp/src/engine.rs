//! The computation on the worker thread: opens the model, finds the face, inverts it, renders edits.

use crate::messages::{Event, PREVIEW_SIZE, Preview, RenderRequest, Rendered, Request};
use crate::patch::Patch;
use crate::pixels::InputLayer;
use crate::queue::Queue;
use crate::record::UsedInversion;
use crate::settings::Settings;
use crossbeam_channel::Sender;
use gani_core::Result;
use gani_core::edit::Edit;
use gani_core::face::Keep;
use gani_core::face_session::{AlignedFace, FaceSelection, FaceSession};
use gani_core::inversion::Cache;
use gani_core::invert::{InvertOptions, Progress};
use gani_core::model::Model;
use gani_core::photo::{Photo, image_from_crop, resize};
use gani_core::runtime::Cancel;
use gani_core::settings::Preset;
use ndarray::{ArcArray, ArrayView4, Ix4};
use std::time::{Duration, Instant};

/// The state of the worker thread. Each request computes only what earlier requests have not.
pub struct Engine {
    /// The requests to handle.
    pub queue: Queue,
    layer: InputLayer,
    events: Sender<Event>,
    cache: Option<Cache>,
    photo: Option<Photo>,
    model: Option<Model>,
    found: Option<(Settings, AlignedFace)>,
    /// The face inverted with [`Preset::Draft`], for previews until `face` is there.
    draft: Option<FaceSession>,
    face: Option<FaceSession>,
    last_render: LastRender,
}

/// The last rendered edits and image `[1,3,R,R]`. OK usually renders the edits of the last preview.
#[derive(Default)]
struct LastRender(Option<(Vec<Edit>, ArcArray<f32, Ix4>)>);

impl LastRender {
    /// The face with edits, `[1,3,R,R]` in `[-1,1]`.
    fn image(&mut self, face: &FaceSession, edits: &[Edit], cancel: &Cancel) -> Result<ArcArray<f32, Ix4>> {
        if let Some((_, image)) = self.0.as_ref().filter(|(known, _)| known == edits) {
            return Ok(image.clone());
        }
        let image = face.image_with_cancel(edits, cancel)?.into_shared();
        self.0 = Some((edits.to_vec(), image.clone()));
        Ok(image)
    }

    /// A preview of the face with edits; `crop` is the aligned photo.
    fn preview(
        &mut self,
        face: &FaceSession,
        crop: ArrayView4<'_, f32>,
        edits: &[Edit],
        keep: Keep,
        cancel: &Cancel,
    ) -> Result<Preview> {
        let image = self.image(face, edits, cancel)?;
        let crop = resize(crop, PREVIEW_SIZE, PREVIEW_SIZE);
        Ok(preview(face.preview(image.view(), crop.view(), keep, cancel)?.view()))
    }
}

impl Engine {
    /// An engine that edits `layer` and reports to `events`.
    pub fn new(layer: InputLayer, queue: Queue, events: Sender<Event>) -> Engine {
        Engine {
            queue,
            layer,
            events,
            cache: Cache::for_user(),
            photo: None,
            model: None,
            found: None,
            draft: None,
            face: None,
            last_render: LastRender::default(),
        }
    }

    /// Handles a request and sends its result.
    pub fn handle(&mut self, request: Request, cancel: &Cancel) -> Result<()> {
        match request {
            Request::FindFace(settings) => {
                self.find_face(&settings, cancel)?;
                if let Some((_, found)) = &self.found {
                    let key = self.face.as_ref().map(|face| face.inversion.info.key.clone());
                    self.send(Event::FaceFound { preview: preview(found.crop.view()), key });
                }
            }
            Request::Invert => {
                self.make_draft(cancel)?;
                self.invert(cancel)?;
                self.send(Event::Inverted);
            }
            Request::Preview(edits, keep) => self.show(&edits, keep, cancel),
            Request::Render(RenderRequest { settings, edits, keep, accept_draft }) => {
                self.find_face(&settings, cancel)?;
                if !(accept_draft && self.draft.is_some()) {
                    self.invert(cancel)?;
                }
                self.render(&edits, keep, cancel)?;
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
        (self.draft, self.face, self.last_render) = (None, None, LastRender::default());
        if previous.is_none_or(|p| (p.model_name(), p.device) != (settings.model_name(), settings.device)) {
            self.model = None;
        }
        let model = match self.model.take() {
            Some(model) => model,
            None => {
                self.progress("Loading the model", None);
                let device = settings.device;
                Model::builder().device(device).open(&settings.model_name())?
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

    /// Inverts the face with [`Preset::Draft`], unless it is inverted or its own preset is that one.
    fn make_draft(&mut self, cancel: &Cancel) -> Result<()> {
        let (Some(model), Some((settings, found)), None, None) =
            (&self.model, &self.found, &self.face, &self.draft)
        else {
            return Ok(());
        };
        if settings.preset == Preset::Draft {
            return Ok(());
        }
        let options = InvertOptions::new(model, Preset::Draft)?;
        let on_progress = |progress: Progress<'_>| {
            if let Some((text, fraction)) = describe("Making a draft", &progress, None) {
                self.progress(&text, fraction);
            }
        };
        let cached = self.cache.as_ref().map(|cache| found.cached(model, &options, cache)).transpose()?;
        self.draft = Some(match cached.flatten() {
            Some(draft) => draft,
            None => found.invert(model, &options, self.cache.as_ref(), cancel, on_progress)?,
        });
        self.send(Event::Drafted);
        Ok(())
    }

    /// Inverts the face that [`Engine::find_face`] found, unless it is inverted. Previews requested meanwhile show the draft.
    fn invert(&mut self, cancel: &Cancel) -> Result<()> {
        let Engine { queue, events, cache, model, found, draft, face, last_render, .. } = self;
        let (Some(model), Some((settings, found)), None) = (model, found, &face) else { return Ok(()) };
        let options = InvertOptions::new(model, settings.preset)?;
        let started = Instant::now();
        let on_progress = |progress: Progress<'_>| {
            if let Some((text, fraction)) = describe("Inverting the face", &progress, Some(started)) {
                _ = events.send(Event::Progress { text, fraction });
            }
            if let Some((draft, (edits, keep, cancel))) = draft.as_ref().zip(queue.latest_preview()) {
                let shown = last_render.preview(draft, found.crop.view(), &edits, keep, &cancel);
                _ = events.send(shown.map_or_else(Event::PreviewFailed, Event::EditPreview));
            }
        };
        *face = Some(found.invert(model, &options, cache.as_ref(), cancel, on_progress)?);
        (*draft, *last_render) = (None, LastRender::default());
        Ok(())
    }

    /// Renders a preview of the face with edits and sends it. Does nothing before there is a draft.
    fn show(&mut self, edits: &[Edit], keep: Keep, cancel: &Cancel) {
        let (Some(face), Some((_, found))) = (self.face.as_ref().or(self.draft.as_ref()), &self.found) else {
            return;
        };
        let shown = self.last_render.preview(face, found.crop.view(), edits, keep, cancel);
        self.send(shown.map_or_else(Event::PreviewFailed, Event::EditPreview));
    }

    /// Renders the inverted face, or its draft, with each list of edits and sends the patches.
    fn render(&mut self, all_edits: &[Vec<Edit>], keep: Keep, cancel: &Cancel) -> Result<()> {
        let (Some(face), Some(photo), Some((settings, _))) =
            (self.face.as_ref().or(self.draft.as_ref()), &self.photo, &self.found)
        else {
            return Ok(());
        };
        let alignment = *face.inversion.alignment_in(photo, false)?;
        let mut patches = Vec::new();
        for (i, edits) in all_edits.iter().enumerate() {
            self.progress("Rendering the face", Some(i as f64 / all_edits.len() as f64));
            let image = self.last_render.image(face, edits, cancel)?;
            let edited = face.edited_face(image.view(), keep, cancel)?;
            patches.push(Patch::new(&self.layer.pixels, &edited, &alignment, keep)?);
        }
        let info = &face.inversion.info;
        let inversion = UsedInversion {
            model: settings.model_name(),
            preset: info.preset.clone(),
            face: face.number,
            key: info.key.clone(),
            steps: info.history.len(),
        };
        self.send(Event::Rendered(Rendered { patches, from_cache: face.from_cache, inversion }));
        Ok(())
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

/// The text of a progress event and the completed part, which is known if the inversion `started` at a given time.
fn describe(task: &str, progress: &Progress<'_>, started: Option<Instant>) -> Option<(String, Option<f64>)> {
    let (stage, step) = match *progress {
        Progress::Begin(stage) => (stage, None),
        Progress::Step { stage, step, steps, remaining, .. } => (stage, Some((step, steps, remaining))),
        _ => return None,
    };
    let text = format!("{task}: {}", stage.label());
    let Some((step, steps, remaining)) = step else { return Some((text, None)) };
    let text = format!("{text}, step {step} of {steps}");
    let (Some(remaining), Some(started)) = (remaining, started) else { return Some((text, None)) };
    let elapsed = started.elapsed().as_secs_f64();
    let fraction = elapsed / (elapsed + remaining.as_secs_f64());
    Some((format!("{text}, {} left", format_duration(remaining)), Some(fraction)))
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
