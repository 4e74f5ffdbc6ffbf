//! `gani invert PHOTO… -o DIR`: writes an inversion file, the result, a contact sheet and a loss curve for each face.

mod outputs;

use crate::args::InvertArgs;
use crate::context::{Context, Failure, Outcome, message, path_text};
use crate::faces::{Face, faces};
use crate::photos::{self, FailedPhoto};
use crate::progress::Bar;
use gani_core::inversion::{CropSource, Inversion};
use gani_core::invert::{InversionResult, InvertOptions, fingerprint, invert};
use gani_core::metrics::Metrics;
use gani_core::model::Model;
use gani_core::photo::Photo;
use gani_core::report::evaluation::peak_memory_mb;
use gani_core::settings::Method;
use gani_core::settings::Settings;
use gani_core::util::files::check_folder;
use gani_core::util::work_folder::{WorkFolder, clean};
use gani_core::{Error, Result};
use outputs::Outputs;
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A finished face in the output of `--json`.
#[derive(Serialize)]
struct Done {
    #[serde(serialize_with = "path_text")]
    photo: PathBuf,
    #[serde(serialize_with = "path_text")]
    inversion: PathBuf,
    #[serde(serialize_with = "path_text")]
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

#[derive(Serialize)]
struct Report {
    files: Vec<Done>,
    failed: Vec<FailedPhoto>,
}

/// Inverts every photo. A failure does not stop the others.
pub fn run(context: &Context, args: &InvertArgs) -> Outcome {
    let model = context.model(None)?;
    let method = args.method.unwrap_or(args.preset.method());
    let options = InvertOptions {
        method,
        preset: args.preset,
        settings: settings(&model, method, args)?,
        seed: context.common.seed.number,
        preview_interval: 0,
    };
    std::fs::create_dir_all(&args.output).map_err(Error::io("creating", &args.output))?;
    // Fails now rather than after minutes of work if the folder is not writable.
    check_folder(&args.output)?;
    clean(&args.output);
    let mut photos = photos::expand(&args.photos)?;
    let inputs = photos.iter().filter_map(|photo| photo.canonicalize().ok()).collect();
    let same_names = photos::repeated_stems(&photos);
    if let Some(shard) = args.shard {
        photos = shard.select(photos);
    }
    let run = Run { context, args, model, options, inputs, same_names };
    let report = run.all(&photos)?;
    let lines: Vec<String> =
        report.files.iter().map(|f| format!("{}\n  {}", f.image.display(), f.metrics)).collect();
    context.print(&report, &lines.join("\n"))?;
    if report.failed.is_empty() { Ok(()) } else { Err(Failure::SomeFailed) }
}

/// The preset's settings with the changes of the command line.
fn settings(model: &Model, method: Method, args: &InvertArgs) -> Result<Settings> {
    let mut settings = model.settings(method, args.preset, args.domain.as_deref())?;
    if let Some(n) = args.iterations {
        settings.set_iterations(method, n as usize);
    }
    if let Some(n) = args.refine {
        settings.refine.set_steps(n as usize);
        if method == Method::Pti {
            settings.projector.steps = n as usize;
        }
    }
    args.overrides.iter().try_for_each(|s| settings.set(&s.path, &s.value))?;
    Ok(settings)
}

/// The inversion of many photos with one loaded model.
struct Run<'c> {
    context: &'c Context,
    args: &'c InvertArgs,
    model: Model,
    options: InvertOptions,
    /// Canonical paths of all photos, also of other shards.
    inputs: HashSet<PathBuf>,
    /// Photos with the name of an earlier photo.
    same_names: HashSet<PathBuf>,
}

/// The outcome of a photo: its finished faces, and the error that ended it.
type PhotoOutcome = (Vec<Done>, Option<Error>);

impl Run<'_> {
    /// Inverts `photos`, `--jobs` at a time. The report is in the order of the photos.
    fn all(&self, photos: &[PathBuf]) -> Result<Report> {
        let next = AtomicUsize::new(0);
        let outcomes: Vec<OnceLock<PhotoOutcome>> = photos.iter().map(|_| OnceLock::new()).collect();
        let work = || {
            while let i = next.fetch_add(1, Ordering::Relaxed)
                && let Some(path) = photos.get(i)
            {
                if photos.len() > 1 {
                    let (n, path) = (photos.len(), path.display());
                    self.context.say(&format!("file {} of {n}: {path}", i + 1));
                }
                let _ = outcomes[i].set(self.photo(path)); // each index occurs once
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.args.jobs.min(photos.len()) {
                scope.spawn(work);
            }
            work();
        });
        let mut report = Report { files: Vec::new(), failed: Vec::new() };
        let outcomes = outcomes.into_iter().filter_map(OnceLock::into_inner);
        for (path, (faces, error)) in photos.iter().zip(outcomes) {
            report.files.extend(faces);
            match error {
                Some(Error::Cancelled) => return Err(Error::Cancelled),
                Some(e) => report.failed.push(FailedPhoto { photo: path.clone(), error: e.to_string() }),
                None => {}
            }
        }
        Ok(report)
    }

    /// Inverts the selected faces of one photo and prints the error, if any.
    fn photo(&self, path: &Path) -> PhotoOutcome {
        let mut done = Vec::new();
        let result = self.check_outputs(path).and_then(|()| Photo::open(path)).and_then(|photo| {
            for face in faces(self.context, &self.model, &photo, self.args.aligned, &self.args.face)? {
                done.push(self.face(&photo, &face)?);
            }
            Ok(())
        });
        if let Err(error) = &result
            && !matches!(error, Error::Cancelled)
        {
            message(&format!("error: {error}"));
        }
        (done, result.err())
    }

    /// Checks the names of the results before any work.
    fn check_outputs(&self, path: &Path) -> Result<()> {
        if self.same_names.contains(path) {
            return Err(Error::Input(format!(
                "{}: an earlier photo has the same name, so its results would be overwritten; rename one of them",
                path.display()
            )));
        }
        let files = Outputs::new(&self.args.output, &photos::stem(path));
        files.check_names()?;
        files.check_not_input(&self.inputs)
    }

    /// Inverts one face and writes its files, or resumes an earlier run.
    fn face(&self, photo: &Photo, face: &Face) -> Result<Done> {
        let Run { context, args, model, options, .. } = self;
        let files = Outputs::new(&args.output, &face.name);
        files.check_names()?; // `face.name` can be longer than the photo's
        files.check_not_input(&self.inputs)?;
        let is_damaged = args.resume && files.inversion_is_damaged();
        if args.resume && !is_damaged && files.inversion.exists() {
            let earlier = self.earlier_result(&files.inversion, face)?;
            context.say(&format!("  {} already exists, skipped", files.inversion.display()));
            return self.report(&photo.path, &files, &earlier, [0.0, 0.0]);
        }
        if is_damaged {
            log::warn!("{} is damaged; the photo is inverted again", files.inversion.display());
        } else {
            files.all().into_iter().try_for_each(|f| context.may_write(f))?;
        }
        files.check_are_results()?;
        let work = WorkFolder::new(&args.output, &face.name)?;
        let origin = CropSource::new(photo, face.alignment);
        // Several bars would overwrite each other.
        let mut bar = Bar::new(context.common.quiet || args.jobs > 1);
        let inverted = invert(model, face.crop.view(), origin, options, &context.cancel, |event| {
            bar.on_progress(event);
        });
        bar.finish();
        let inverted = inverted?;
        files.write(work, model, photo, face, &inverted)?;
        let InversionResult { inversion, seconds, seconds_per_step, .. } = &inverted;
        self.report(&photo.path, &files, inversion, [*seconds, *seconds_per_step])
    }

    /// Opens the inversion of an earlier run and checks that it belongs to the same photo, model and settings.
    fn earlier_result(&self, path: &Path, face: &Face) -> Result<Inversion> {
        let inversion = Inversion::open(path)?;
        if inversion.info.key != fingerprint(&self.model, face.crop.view(), &self.options)? {
            return Err(Error::Input(format!(
                "{} was made with another photo, model or settings; choose another folder, or replace --resume by --force to \
                 overwrite it",
                path.display()
            )));
        }
        Ok(inversion)
    }

    fn report(
        &self,
        photo: &Path,
        files: &Outputs,
        inversion: &Inversion,
        [seconds, seconds_per_step]: [f64; 2],
    ) -> Result<Done> {
        let info = &inversion.info;
        Ok(Done {
            photo: photo.into(),
            inversion: files.inversion.clone(),
            image: files.image.clone(),
            model: self.model.bundle.name().into(),
            method: info.method.clone(),
            preset: info.preset.clone(),
            iterations: info.history.len(),
            parameters: info.parameters,
            seconds,
            seconds_per_step,
            peak_memory_mb: peak_memory_mb(),
            device: self.context.runtime()?.device().to_string(),
            metrics: info.metrics,
            metrics_encoder: info.metrics_encoder,
        })
    }
}
