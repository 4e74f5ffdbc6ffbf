//! What the worker works with, from the picture to patches: the model, the face found, its inversion.

use crate::host::picture::Picture;
use crate::settings::Settings;
use crate::worker::{News, Order, Patch, Rendered, VIEW, View};
use crossbeam_channel::Sender;
use gani_core::cache::Cache;
use gani_core::edit::Edit;
use gani_core::invert::{InvertOptions, Progress, Stage};
use gani_core::model::Model;
use gani_core::photo::{Alignment, PasteOptions, Photo, Region, image_from_crop, paste_into};
use gani_core::retouch::{Found, Retouch, Subject};
use gani_core::runtime::{Cancel, Runtime, RuntimeOptions};
use gani_core::{Result, metrics};
use ndarray::{ArcArray, ArrayView4, Ix4};
use std::time::{Duration, Instant};

/// Tuning steps between two looks at the face on its way.
const LOOK_EVERY: usize = 10;

/// The worker's state; each order brings it as far as is needed.
pub struct Studio {
    picture: Picture,
    tell: Sender<News>,
    cache: Option<Cache>,
    photo: Option<Photo>,
    model: Option<Model>,
    found: Option<(Settings, Found)>,
    face: Option<Retouch>,
    /// What was rendered last: OK follows a look at the same edits.
    rendered: Option<(Vec<Edit>, ArcArray<f32, Ix4>)>,
}

impl Studio {
    /// A picture to work on, and whom to tell.
    pub fn new(picture: Picture, tell: Sender<News>) -> Studio {
        let cache = Cache::of_user();
        Studio { picture, tell, cache, photo: None, model: None, found: None, face: None, rendered: None }
    }

    /// Does what is ordered and tells the results.
    pub fn carry_out(&mut self, order: Order, cancel: &Cancel) -> Result<()> {
        match order {
            Order::Find(settings) => {
                self.find(&settings, cancel)?;
                if let Some((_, found)) = &self.found {
                    self.say(News::Found(view(found.crop.view()), self.face.is_some()));
                }
            }
            Order::Invert => {
                self.invert(cancel)?;
                self.say(News::Inverted);
            }
            Order::Show(edits) => {
                if let Some(image) = self.image(&edits, cancel)? {
                    self.say(News::Shown(view(image.view())));
                }
            }
            Order::Render(settings, all) => {
                self.find(&settings, cancel)?;
                self.invert(cancel)?;
                let Some(face) = &self.face else { return Ok(()) };
                let from_cache = face.from_cache;
                let pixels = &self.picture.pixels;
                let place = *face.inversion.place_in(&self.picture.name, [pixels.width, pixels.height])?;
                let mut patches = Vec::new();
                for (i, edits) in all.iter().enumerate() {
                    self.working("Rendering the face", Some(i as f64 / all.len() as f64));
                    if let Some(image) = self.image(edits, cancel)? {
                        patches.push(self.patch(image.view(), &place)?);
                    }
                }
                self.say(News::Rendered(Rendered { patches, from_cache }));
            }
        }
        Ok(())
    }

    /// Opens the model and finds the face, and its inversion where there is one, unless that has been done.
    fn find(&mut self, settings: &Settings, cancel: &Cancel) -> Result<()> {
        if self.found.as_ref().is_some_and(|(known, _)| known == settings) {
            return Ok(());
        }
        let before = self.found.take().map(|(settings, _)| settings);
        self.face = None;
        self.rendered = None;
        if before.is_none_or(|b| (b.model_name(), b.device) != (settings.model_name(), settings.device)) {
            self.model = None;
        }
        let model = match self.model.take() {
            Some(model) => model,
            None => {
                self.working("Loading the model", None);
                let device = settings.device;
                let runtime = Runtime::load(&RuntimeOptions { device, ..RuntimeOptions::default() })?;
                Model::open(settings.model_name(), runtime)?
            }
        };
        let model = self.model.insert(model);
        let photo = match self.photo.take() {
            Some(photo) => photo,
            None => read(&self.picture)?,
        };
        let photo = self.photo.insert(photo);
        _ = self.tell.send(News::Working("Looking for the face".into(), None));
        let selection = self.picture.selection.as_ref().map(|mask| mask.view());
        let subject = Subject::Face { choice: settings.face, selection };
        let found = Found::find(model, photo, &subject, cancel)?;
        let options = InvertOptions::new(model, settings.preset)?;
        if let Some(cache) = &self.cache {
            self.face = found.cached(model, &options, cache)?;
        }
        self.found = Some((settings.clone(), found));
        Ok(())
    }

    /// Inverts the face that was found, unless that has been done.
    fn invert(&mut self, cancel: &Cancel) -> Result<()> {
        let (Some(model), Some((settings, found)), None) = (&self.model, &self.found, &self.face) else {
            return Ok(());
        };
        let options =
            InvertOptions { preview_every: LOOK_EVERY, ..InvertOptions::new(model, settings.preset)? };
        let started = Instant::now();
        let mut tell = |progress: Progress<'_>| match progress {
            Progress::Begin(stage) => self.working(&format!("Inverting the face: {}", words(stage)), None),
            Progress::Step { stage, step, steps, left, .. } => {
                let (text, fraction) = match left {
                    None => (String::new(), None),
                    Some(left) => {
                        let done = started.elapsed().as_secs_f64();
                        (format!(", {} left", spoken(left)), Some(done / (done + left.as_secs_f64())))
                    }
                };
                self.working(
                    &format!("Inverting the face: {}, step {step} of {steps}{text}", words(stage)),
                    fraction,
                );
            }
            Progress::Preview(image) => self.say(News::Underway(view(image))),
            _ => {}
        };
        let face = found.invert(model, &options, self.cache.as_ref(), cancel, &mut tell)?;
        self.face = Some(face);
        Ok(())
    }

    /// The face with edits, once it is inverted.
    fn image(&mut self, edits: &[Edit], cancel: &Cancel) -> Result<Option<ArcArray<f32, Ix4>>> {
        let Some(face) = &self.face else { return Ok(None) };
        if let Some((_, image)) = self.rendered.as_ref().filter(|(known, _)| known == edits) {
            return Ok(Some(image.clone()));
        }
        let image = face.image(edits, cancel)?.into_shared();
        self.rendered = Some((edits.to_vec(), image.clone()));
        Ok(Some(image))
    }

    /// The part of the layer around `place`, with the face's `image` in it.
    fn patch(&self, image: ArrayView4<'_, f32>, place: &Alignment) -> Result<Patch> {
        let pixels = &self.picture.pixels;
        let region = around(place, pixels.width, pixels.height);
        let (x, y) = (f64::from(region.x), f64::from(region.y));
        let place = Alignment { quad: place.quad.map(|p| [p[0] - x, p[1] - y]) };
        let before = pixels.part(region)?;
        let mut after = before.clone();
        paste_into(&mut after.image_mut()?, image, &place, &PasteOptions::default())?;
        let mut layer = after.clone();
        layer.clear_where_not(|x, y| holds(&place, x, y));
        Ok(Patch { at: [region.x, region.y], before, after, layer })
    }

    fn working(&self, text: &str, fraction: Option<f64>) {
        self.say(News::Working(text.to_string(), fraction));
    }

    fn say(&self, news: News) {
        // The main thread may be gone, which is as good as cancelling.
        _ = self.tell.send(news);
    }
}

/// The layer as a photo: RGB of 16 bit whatever the layer's precision, so that another precision is the same face.
fn read(picture: &Picture) -> Result<Photo> {
    let photo = picture.pixels.image()?.to_photo(&picture.name)?;
    Ok(Photo::from_pixels(&photo.path, photo.pixels.into_rgb16().into()))
}

/// The rectangle of a picture that a face's square touches, and a little around it for the samplers.
fn around(place: &Alignment, width: u32, height: u32) -> Region {
    const MARGIN: f64 = 8.0;
    let range = |axis: usize, side: u32| {
        let values = place.quad.iter().map(|p| p[axis]);
        let low = values.clone().fold(f64::MAX, f64::min).floor() - MARGIN;
        let high = values.fold(f64::MIN, f64::max).ceil() + MARGIN;
        (low.clamp(0.0, f64::from(side)) as u32, high.clamp(0.0, f64::from(side)) as u32)
    };
    let ((left, right), (top, bottom)) = (range(0, width), range(1, height));
    Region { x: left, y: top, width: right - left, height: bottom - top }
}

/// Whether the square at `place` holds the centre of pixel (`x`, `y`).
fn holds(place: &Alignment, x: usize, y: usize) -> bool {
    let [origin, down, _, right] = place.quad;
    let from_origin = |p: [f64; 2]| [p[0] - origin[0], p[1] - origin[1]];
    let (u, v, p) = (from_origin(right), from_origin(down), from_origin([x as f64 + 0.5, y as f64 + 0.5]));
    let cross = |a: [f64; 2], b: [f64; 2]| a[0] * b[1] - a[1] * b[0];
    let area = cross(u, v);
    let inside = |part: f64| (0.0..1.0).contains(&(part / area));
    inside(cross(p, v)) && inside(cross(u, p))
}

/// An image `[1,3,R,R]` in `[-1,1]` for the dialog.
fn view(image: ArrayView4<'_, f32>) -> View {
    View(image_from_crop(metrics::resize(image, VIEW, VIEW).view()).into_raw())
}

fn words(stage: Stage) -> &'static str {
    match stage {
        Stage::Find => "looking for it",
        Stage::Prepare => "loading the networks",
        Stage::Refine => "first shape",
        Stage::Tune => "details",
        Stage::Finish => "measuring the result",
    }
}

/// A duration as one says it: 45 s, 2 min 10 s.
fn spoken(time: Duration) -> String {
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
    fn the_square_of_a_face_is_known_on_its_layer() {
        let place = Alignment { quad: [[10.0, 20.0], [10.0, 60.0], [50.0, 60.0], [50.0, 20.0]] };
        assert_eq!(around(&place, 55, 300), Region { x: 2, y: 12, width: 53, height: 56 });
        assert!(holds(&place, 10, 20) && holds(&place, 49, 59));
        assert!(!holds(&place, 9, 30) && !holds(&place, 50, 30) && !holds(&place, 30, 60));
        assert_eq!(spoken(Duration::from_secs(130)), "2 min 10 s");
    }
}
