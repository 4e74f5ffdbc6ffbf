//! `gani invert PHOTO… -o DIR`: each face becomes an inversion file, a photo, a sheet and a loss curve.

use crate::args::InvertArgs;
use crate::context::{Context, Failure, Outcome};
use crate::photos;
use crate::progress::Bar;
use gani_core::cache::Cache;
use gani_core::evaluate::peak_memory_mb;
use gani_core::inversion::Inversion;
use gani_core::invert::{InvertOptions, Inverted, Origin, invert};
use gani_core::method::Method;
use gani_core::metrics::Metrics;
use gani_core::model::Model;
use gani_core::photo::{Alignment, FaceChoice, PasteOptions, Photo, image_from_crop, paste};
use gani_core::preset::Settings;
use gani_core::{Error, Result, figure};
use image::DynamicImage;
use ndarray::Array4;
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

/// A finished face, as `--json` prints it.
#[derive(Serialize)]
struct Done {
    photo: PathBuf,
    inversion: PathBuf,
    image: PathBuf,
    model: String,
    method: String,
    preset: String,
    iterations: usize,
    parameters: usize,
    seconds: f64,
    seconds_per_step: f64,
    peak_memory_mb: Option<u64>,
    device: String,
    metrics: Metrics,
    metrics_encoder: Metrics,
}

/// A photo that failed.
#[derive(Serialize)]
struct Failed {
    photo: PathBuf,
    error: String,
}

#[derive(Serialize)]
struct Report {
    files: Vec<Done>,
    failed: Vec<Failed>,
}

/// A face to invert.
pub struct Face {
    /// Its crop, `[1,3,S,S]`.
    pub crop: Array4<f32>,
    /// Where it lies in the photo, unless that is the crop.
    pub alignment: Option<Alignment>,
    /// The base name of its results.
    pub name: String,
}

/// Inverts every photo; one that fails does not end the others.
pub fn run(context: &Context, args: &InvertArgs) -> Outcome {
    let model = context.model(None)?;
    let method = args.method.unwrap_or(args.preset.method());
    let options = InvertOptions {
        method,
        preset: args.preset,
        settings: settings(&model, method, args)?,
        seed: context.common.seed,
        preview_every: 0,
    };
    let mut photos = photos::expand(&args.photos)?;
    if let Some(shard) = args.shard {
        photos = shard.of(photos);
    }
    std::fs::create_dir_all(&args.output).map_err(Error::io("creating", &args.output))?;
    // A folder that cannot be written to is better known now than after minutes of work.
    tempfile::tempfile_in(&args.output).map_err(Error::io("writing to", &args.output))?;
    let run = Run { context, args, model, options, names: Mutex::default() };
    let report = run.all(&photos)?;
    let lines: Vec<String> =
        report.files.iter().map(|f| format!("{}\n  {}", f.image.display(), f.metrics)).collect();
    context.print(&report, &lines.join("\n"))?;
    if report.failed.is_empty() { Ok(()) } else { Err(Failure::Some) }
}

/// The preset's settings, with what the command line changes.
fn settings(model: &Model, method: Method, args: &InvertArgs) -> Result<Settings> {
    let mut settings = model.settings(method, args.preset, args.domain.as_deref())?;
    if let Some(n) = args.iterations {
        settings.set_iterations(method, n as usize);
    }
    if let Some(n) = args.refine {
        settings.refine.set_steps(n as usize);
        if method == Method::Pti {
            settings.project.steps = n as usize;
        }
    }
    args.with.iter().try_for_each(|s| settings.set(&s.path, &s.value))?;
    Ok(settings)
}

/// The work on many photos, with one model in memory.
struct Run<'c> {
    context: &'c Context,
    args: &'c InvertArgs,
    model: Model,
    options: InvertOptions,
    /// Base names of the results so far.
    names: Mutex<HashSet<String>>,
}

impl Run<'_> {
    /// Inverts `photos`, `--jobs` at a time; the report is in their order.
    fn all(&self, photos: &[PathBuf]) -> Result<Report> {
        let next = AtomicUsize::new(0);
        let done: Vec<OnceLock<(Vec<Done>, Option<Error>)>> =
            photos.iter().map(|_| OnceLock::new()).collect();
        std::thread::scope(|scope| {
            for _ in 0..self.args.jobs.min(photos.len()) {
                scope.spawn(|| {
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        let Some(path) = photos.get(i) else { break };
                        if photos.len() > 1 {
                            self.context.say(&format!(
                                "file {} of {}: {}",
                                i + 1,
                                photos.len(),
                                path.display()
                            ));
                        }
                        let mut faces = Vec::new();
                        let error = self.photo(path, &mut faces).err();
                        if let Some(e) = error.as_ref().filter(|e| !matches!(e, Error::Cancelled)) {
                            eprintln!("error: {e}");
                        }
                        let _ = done[i].set((faces, error)); // each is taken once
                    }
                });
            }
        });
        let mut report = Report { files: Vec::new(), failed: Vec::new() };
        for (path, (faces, error)) in photos.iter().zip(done.into_iter().filter_map(OnceLock::into_inner)) {
            report.files.extend(faces);
            match error {
                Some(Error::Cancelled) => return Err(Error::Cancelled),
                Some(e) => report.failed.push(Failed { photo: path.clone(), error: e.to_string() }),
                None => {}
            }
        }
        Ok(report)
    }

    /// Inverts the chosen faces of one photo, one after the other.
    fn photo(&self, path: &Path, done: &mut Vec<Done>) -> Result<()> {
        let Run { context, args, model, options, names } = self;
        let photo = Photo::load(path)?;
        for face in faces(context, model, &photo, args.aligned, &args.face)? {
            let files = Files::new(&args.output, &face.name);
            let is_new = names.lock().is_ok_and(|mut names| names.insert(face.name.clone()));
            if !is_new {
                let text = format!(
                    "{}: an earlier photo has the same name, its results would be overwritten; rename one",
                    path.display()
                );
                return Err(Error::Input(text));
            }
            if args.resume && files.inversion.exists() {
                let kept = Inversion::open(&files.inversion)?;
                if kept.info.key != Cache::key(model, face.crop.view(), options)? {
                    let text = format!(
                        "{} is of another photo, model or settings; give another folder, or leave --resume and --force it",
                        files.inversion.display()
                    );
                    return Err(Error::Input(text));
                }
                context.say(&format!("  {} is there already, kept", files.inversion.display()));
                done.push(report(context, model, path, &files, &kept, 0.0, 0.0)?);
                continue;
            }
            files.all().into_iter().try_for_each(|f| context.may_write(f))?;
            let origin = Origin::of(&photo, face.alignment);
            // Several bars would write over one another.
            let mut bar = Bar::new(context.common.quiet || args.jobs > 1);
            let inverted = invert(model, face.crop.view(), origin, options, &context.cancel, |p| bar.show(p));
            bar.finish();
            let inverted = inverted?;
            write(model, &photo, &face, &inverted, &files)
                .map_err(|e| rescued(&inverted.inversion, &files, e))?;
            let Inverted { inversion, seconds, seconds_per_step, .. } = &inverted;
            done.push(report(context, model, path, &files, inversion, *seconds, *seconds_per_step)?);
        }
        Ok(())
    }
}

/// The faces of a photo that the command line asks for; the photo itself where it is `aligned`.
pub fn faces(
    context: &Context,
    model: &Model,
    photo: &Photo,
    aligned: bool,
    which: &FaceChoice,
) -> Result<Vec<Face>> {
    let stem = photo.path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    if aligned {
        return Ok(vec![Face { crop: photo.as_crop(model.crop_shape())?, alignment: None, name: stem }]);
    }
    let size = model.crop_size();
    let found = model.faces(photo, &context.cancel)?;
    let chosen = which.pick(photo, &found)?;
    if found.len() > 1 {
        let which: Vec<String> = chosen.iter().map(|(n, _)| n.to_string()).collect();
        context.say(&format!(
            "  {} faces found, counted from the left; taking {}",
            found.len(),
            which.join(", ")
        ));
    }
    let several = chosen.len() > 1;
    let face = |(n, face): &(usize, &gani_core::photo::Face)| {
        let name = if several { format!("{stem}-face{n}") } else { stem.clone() };
        Ok(Face { crop: face.alignment.crop(photo, size)?, alignment: Some(face.alignment), name })
    };
    chosen.iter().map(face).collect()
}

/// The results of a face.
struct Files {
    inversion: PathBuf,
    image: PathBuf,
    sheet: PathBuf,
    curve: PathBuf,
}

impl Files {
    fn new(folder: &Path, name: &str) -> Files {
        let file = |end: &str| folder.join(format!("{name}{end}"));
        Files {
            inversion: file(".safetensors"),
            image: file(".png"),
            sheet: file("-sheet.png"),
            curve: file("-loss.png"),
        }
    }

    fn all(&self) -> [&Path; 4] {
        [&self.inversion, &self.image, &self.sheet, &self.curve]
    }
}

/// Pictures first, the inversion last: where it is, everything is.
fn write(model: &Model, photo: &Photo, face: &Face, inverted: &Inverted, files: &Files) -> Result<()> {
    let result = match &face.alignment {
        Some(alignment) => {
            let mut photo = photo.clone();
            paste(&mut photo, inverted.image.view(), alignment, &PasteOptions::default())?;
            photo
        }
        None => picture(&files.image, image_from_crop(inverted.image.view())),
    };
    result.save(&files.image)?;
    let encoder = model.bundle.encoder()?.map_or("mean latent", |_| "encoder");
    let cells = [
        ("photo", face.crop.view()),
        (encoder, inverted.encoder_image.view()),
        ("inversion", inverted.image.view()),
    ];
    picture(&files.sheet, figure::sheet(&cells, cells.len(), 512)).save(&files.sheet)?;
    let info = &inverted.inversion.info;
    let columns: Vec<Vec<f64>> =
        (0..info.terms.len()).map(|t| info.history.iter().map(|s| s.edit[t].into()).collect()).collect();
    let lines: Vec<(&str, &[f64])> =
        info.terms.iter().map(String::as_str).zip(columns.iter().map(Vec::as_slice)).collect();
    let title = format!("{} - {} steps, preset {}", info.photo, info.history.len(), info.preset);
    picture(&files.curve, figure::loss_curve(&title, &lines)).save(&files.curve)?;
    inverted.inversion.save(&files.inversion)
}

/// Minutes of work are not lost to a disk that is full: the inversion goes to the temporary folder instead.
fn rescued(inversion: &Inversion, files: &Files, error: Error) -> Error {
    let Some(name) = files.inversion.file_name() else { return error };
    let kept = std::env::temp_dir().join(name);
    match (!kept.exists()).then(|| inversion.save(&kept)) {
        Some(Ok(())) => Error::Input(format!(
            "{error}\n  the inversion is kept: {}; `gani edit` takes it there",
            kept.display()
        )),
        _ => error,
    }
}

fn picture(path: &Path, image: image::RgbImage) -> Photo {
    Photo::from_pixels(path, DynamicImage::ImageRgb8(image))
}

fn report(
    context: &Context,
    model: &Model,
    photo: &Path,
    files: &Files,
    inversion: &Inversion,
    seconds: f64,
    seconds_per_step: f64,
) -> Result<Done> {
    let info = &inversion.info;
    Ok(Done {
        photo: photo.into(),
        inversion: files.inversion.clone(),
        image: files.image.clone(),
        model: model.bundle.name().into(),
        method: info.method.clone(),
        preset: info.preset.clone(),
        iterations: info.history.len(),
        parameters: info.parameters,
        seconds,
        seconds_per_step,
        peak_memory_mb: peak_memory_mb(),
        device: context.runtime()?.device().to_string(),
        metrics: info.metrics,
        metrics_encoder: info.metrics_encoder,
    })
}
