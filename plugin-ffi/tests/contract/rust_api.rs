//! The contract tests through gani-core's Rust API.

use crate::{Api, Direction, Event, Failure, Info, Options, Picture};
use gani_core::Error;
use gani_core::edit::{Edit, Generator};
use gani_core::face::{FaceChoice, Keep, PasteOptions};
use gani_core::face_session::{FaceSelection, FaceSession};
use gani_core::inversion::Cache;
use gani_core::inversion::Inversion;
use gani_core::invert::{InvertOptions, Progress, Stage};
use gani_core::model::Model;
use gani_core::photo::image_from_crop;
use gani_core::photo::pixels::{Image, ImageLayout, ImageMut, PixelFormat, Pixels, PixelsMut, selection};
use gani_core::runtime::Cancel;
use gani_core::settings::Preset;
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

fn frame(picture: &Picture) -> ImageLayout {
    let Picture { width, height, .. } = *picture;
    ImageLayout { width, height, stride: 3 * width as usize, format: PixelFormat::Rgb }
}

fn edits(edits: &[(&str, f32)]) -> Vec<Edit> {
    edits.iter().map(|(name, strength)| Edit::new(*name, *strength)).collect()
}

impl Api for RustApi {
    type Model = Model;
    type Face = FaceSession;

    fn open(model: &str, device: &str) -> Result<Model, Failure> {
        let open = || Model::builder().device(device.parse()?).open(model);
        open().map_err(failure)
    }

    fn directions(model: &Model) -> Vec<Direction> {
        let all = model.directions().unwrap();
        let named = all.named.iter().map(|d| (d.name.clone(), true, d.sigma));
        named.chain(all.pca.iter().map(|d| (d.name.clone(), false, d.sigma))).collect()
    }

    fn resolution(model: &Model) -> u32 {
        model.resolution() as u32
    }

    fn generate(model: &Model, seed: u64, truncation_psi: f32) -> Vec<u8> {
        let ws = model.sample(seed, truncation_psi, &Cancel::new()).unwrap();
        let image = Generator::untuned(model).unwrap().image(ws.view(), &Cancel::new()).unwrap();
        image_from_crop(image.view()).into_raw()
    }

    fn invert(
        model: &Model,
        picture: &Picture,
        given: &Options<'_>,
        on_progress: &mut dyn FnMut(Event) -> bool,
    ) -> Result<FaceSession, Failure> {
        let cancel = Cancel::new();
        let report = |event: Progress<'_>| {
            let event = match event {
                Progress::Begin(stage) => Event::Begin(number(stage)),
                Progress::Step { stage, step, steps, .. } => {
                    Event::Step { stage: number(stage), step: step as u32, steps: steps as u32 }
                }
                Progress::Preview(image) => Event::Preview([image.dim().3 as u32, image.dim().2 as u32]),
                Progress::Eta(_) => return,
            };
            if !cancel.is_cancelled() && !on_progress(event) {
                cancel.cancel();
            }
        };
        let begin = || {
            let photo = Image::new(frame(picture), Pixels::U8(&picture.rgb))?.to_photo("the image")?;
            let mask = picture.mask.as_deref();
            let mask = mask.map(|m| selection(picture.width, picture.height, picture.width as usize, m));
            let face = match (given.aligned, given.face) {
                (true, _) => FaceSelection::Aligned,
                (_, 0) => FaceSelection::Face { choice: FaceChoice::Largest, selection: mask.transpose()? },
                (_, n) => FaceSelection::Face { choice: FaceChoice::Nth(n as usize), selection: None },
            };
            let mut options = InvertOptions::new(model, Preset::Fast)?;
            options.settings.tune.iterations = given.iterations as usize;
            options.settings.refine.set_steps(given.refine_steps as usize);
            (options.seed, options.preview_interval) = (given.seed, given.preview_interval as usize);
            let cache = given.cache.map(|folder| Cache::new(folder.to_owned(), 1 << 30));
            let mut inverter = model.inverter().options(options).face(face).cancel(&cancel);
            if let Some(cache) = cache {
                inverter = inverter.cache(cache);
            }
            inverter.on_progress(report).invert(&photo)
        };
        begin().map_err(failure)
    }

    fn render(face: &FaceSession, given: &[(&str, f32)]) -> Result<Vec<u8>, Failure> {
        let image = face.image(&edits(given)).map_err(failure)?;
        Ok(image_from_crop(image.view()).into_raw())
    }

    fn paste(
        face: &FaceSession,
        given: &[(&str, f32)],
        keep: u32,
        into: &mut Picture,
    ) -> Result<[u32; 4], Failure> {
        let mut paste = || {
            let image = face.image(&edits(given))?;
            let (frame, width, height) = (frame(into), into.width, into.height);
            let mask = into.mask.as_deref().map(|m| selection(width, height, width as usize, m));
            let mut pixels = ImageMut::new(frame, PixelsMut::U8(&mut into.rgb))?;
            let options = PasteOptions {
                mask: mask.transpose()?,
                keep: Keep::ALL[keep as usize],
                ..PasteOptions::default()
            };
            face.paste_image(image.view(), &mut pixels, &options)
        };
        let region = paste().map_err(failure)?;
        Ok([region.x, region.y, region.width, region.height])
    }

    fn info(face: &FaceSession) -> Info {
        let info = &face.inversion.info;
        let corners = info.alignment.map(|a| a.quad.concat().try_into().unwrap());
        Info {
            from_cache: face.from_cache,
            alignment: corners,
            photo: info.photo_size,
            mse: info.metrics.mse,
            key: info.key.clone(),
            face: face.number as u32,
            steps: info.history.len() as u32,
        }
    }

    fn save(face: &FaceSession, path: &Path) -> Result<(), Failure> {
        face.inversion.save(path).map_err(failure)
    }

    fn open_face(model: &Model, path: &Path) -> Result<FaceSession, Failure> {
        Inversion::open(path).and_then(|inversion| FaceSession::open(model, inversion)).map_err(failure)
    }
}
