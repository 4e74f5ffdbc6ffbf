//! The contract tests through gani-core's Rust API.

use crate::{Api, Direction, Event, Failure, Info, Options, Picture};
use gani_core::Error;
use gani_core::cache::Cache;
use gani_core::edit::Edit;
use gani_core::editor::Editor;
use gani_core::inversion::Inversion;
use gani_core::invert::{InvertOptions, Progress, Stage};
use gani_core::model::Model;
use gani_core::photo::{FaceChoice, image_from_crop};
use gani_core::pixels::{Frame, Image, ImageMut, Layout, Pixels, PixelsMut, selection};
use gani_core::preset::Preset;
use gani_core::retouch::{Retouch, Subject};
use gani_core::runtime::{Cancel, Runtime, RuntimeOptions};
use std::path::Path;

pub struct RustApi;

fn failure(error: Error) -> Failure {
    let kind = match &error {
        Error::Input(_) => "input",
        Error::Model(_) => "model",
        Error::Unsupported(_) => "unsupported",
        Error::Limits(_) => "limits",
        Error::Runtime(_) => "runtime",
        Error::Io { .. } => "io",
        Error::Cancelled => "cancelled",
        _ => "unknown",
    };
    (kind, error.to_string())
}

fn number(stage: Stage) -> u32 {
    [Stage::Find, Stage::Prepare, Stage::Refine, Stage::Tune, Stage::Finish]
        .iter()
        .position(|s| *s == stage)
        .unwrap() as u32
        + 1
}

fn frame(picture: &Picture) -> Frame {
    let Picture { width, height, .. } = *picture;
    Frame { width, height, stride: 3 * width as usize, layout: Layout::Rgb }
}

fn edits(edits: &[(&str, f32)]) -> Vec<Edit> {
    edits.iter().map(|(name, strength)| Edit { direction: (*name).into(), strength: *strength }).collect()
}

impl Api for RustApi {
    type Model = Model;
    type Face = Retouch;

    fn open(model: &str, device: &str) -> Result<Model, Failure> {
        let open = || {
            let options = RuntimeOptions { device: device.parse()?, ..RuntimeOptions::default() };
            Model::open(model, Runtime::load(&options)?)
        };
        open().map_err(failure)
    }

    fn directions(model: &Model) -> Vec<Direction> {
        let all = model.directions().unwrap();
        let named = all.named.iter().map(|d| (d.name.clone(), true, d.sigma));
        named.chain(all.pca.iter().map(|d| (d.name.clone(), false, d.sigma))).collect()
    }

    fn resolution(model: &Model) -> u32 {
        model.size() as u32
    }

    fn generate(model: &Model, seed: u64, truncation_psi: f32) -> Vec<u8> {
        let ws = model.sample(seed, truncation_psi, &Cancel::new()).unwrap();
        let image = Editor::untuned(model).unwrap().image(ws.view(), &Cancel::new()).unwrap();
        image_from_crop(image.view()).into_raw()
    }

    fn invert(
        model: &Model,
        picture: &Picture,
        given: &Options<'_>,
        on_progress: &mut dyn FnMut(Event) -> bool,
    ) -> Result<Retouch, Failure> {
        let cancel = Cancel::new();
        let report = |event: Progress<'_>| {
            let event = match event {
                Progress::Begin(stage) => Event::Begin(number(stage)),
                Progress::Step { stage, step, steps, .. } => {
                    Event::Step { stage: number(stage), step: step as u32, steps: steps as u32 }
                }
                Progress::Preview(image) => Event::Preview([image.dim().3 as u32, image.dim().2 as u32]),
                Progress::Expected(_) => return,
            };
            if !cancel.is_cancelled() && !on_progress(event) {
                cancel.cancel();
            }
        };
        let begin = || {
            let photo = Image::new(frame(picture), Pixels::U8(&picture.rgb))?.to_photo("the image")?;
            let mask = picture.mask.as_deref();
            let mask = mask.map(|m| selection(picture.width, picture.height, picture.width as usize, m));
            let subject = match (given.aligned, given.face) {
                (true, _) => Subject::Aligned,
                (_, 0) => Subject::Face { choice: FaceChoice::Largest, selection: mask.transpose()? },
                (_, n) => Subject::Face { choice: FaceChoice::Nth(n as usize), selection: None },
            };
            let mut options = InvertOptions::new(model, Preset::Fast)?;
            options.settings.tune.iterations = given.iterations as usize;
            options.settings.refine.set_steps(given.refine_steps as usize);
            (options.seed, options.preview_every) = (given.seed, given.preview_interval as usize);
            let cache = given.cache.map(|folder| Cache::at(folder.to_owned(), 1 << 30));
            Retouch::begin(model, &photo, &subject, &options, cache.as_ref(), &cancel, report)
        };
        begin().map_err(failure)
    }

    fn render(face: &Retouch, given: &[(&str, f32)]) -> Result<Vec<u8>, Failure> {
        let image = face.image(&edits(given), &Cancel::new()).map_err(failure)?;
        Ok(image_from_crop(image.view()).into_raw())
    }

    fn paste(face: &Retouch, given: &[(&str, f32)], into: &mut Picture) -> Result<[u32; 4], Failure> {
        let mut paste = || {
            let image = face.image(&edits(given), &Cancel::new())?;
            let (frame, width, height) = (frame(into), into.width, into.height);
            let mask = into.mask.as_deref().map(|m| selection(width, height, width as usize, m));
            let mut pixels = ImageMut::new(frame, PixelsMut::U8(&mut into.rgb))?;
            face.paste(image.view(), &mut pixels, mask.transpose()?)
        };
        let region = paste().map_err(failure)?;
        Ok([region.x, region.y, region.width, region.height])
    }

    fn info(face: &Retouch) -> Info {
        let info = &face.inversion.info;
        let corners = info.alignment.map(|a| a.quad.concat().try_into().unwrap());
        Info {
            from_cache: face.from_cache,
            alignment: corners,
            photo: info.photo_size,
            mse: info.metrics.mse,
        }
    }

    fn save(face: &Retouch, path: &Path) -> Result<(), Failure> {
        face.inversion.save(path).map_err(failure)
    }

    fn open_face(model: &Model, path: &Path) -> Result<Retouch, Failure> {
        Inversion::open(path).and_then(|inversion| Retouch::open(model, inversion)).map_err(failure)
    }
}
