//! `gani evaluate DIR`: compares inversion methods on the faces of a folder. Writes an HTML page, JSON and CSV.

use crate::args::{EvaluateArgs, MethodSpec};
use crate::context::{Context, Failure, Outcome, message};
use crate::faces::{Face, faces};
use crate::photos;
use crate::progress::Bar;
use crate::report::{self, Case, FailedCase, Images, Report};
use gani_core::edit::{Edit, Generator};
use gani_core::face::FaceChoice;
use gani_core::inversion::{CropSource, Inversion};
use gani_core::invert::{InversionResult, InvertOptions, fingerprint, invert};
use gani_core::model::Model;
use gani_core::photo::{Photo, resize};
use gani_core::report::evaluation::{GeneratorProbe, peak_memory_mb, reset_peak_memory};
use gani_core::report::plot;
use gani_core::{Error, Result};
use ndarray::ArrayView4;
use std::path::PathBuf;

/// Strengths of the edit strips in σ.
const STRIP: [f32; 5] = [-2.0, -1.0, 0.0, 1.0, 2.0];
/// Directions of the edit strips. Those that the model lacks are omitted.
const SHOWN: [&str; 3] = ["smile", "age", "yaw"];

/// Inverts every face with every method, or reads the result of an earlier run. A failure does not stop the others.
pub fn run(context: &Context, args: &EvaluateArgs) -> Outcome {
    let mut photos = photos::in_folder(&args.folder)?;
    photos.truncate(args.n.unwrap_or(usize::MAX));
    let bench = Bench::new(context, args)?;
    let mut report = Report::new(&bench.model, context.runtime()?);
    for (i, path) in photos.iter().enumerate() {
        context.say(&format!("file {} of {}: {}", i + 1, photos.len(), path.display()));
        let failed = |e: Error, method: String| match e {
            Error::Cancelled => Err(e),
            e => {
                message(&format!("error: {e}"));
                Ok(FailedCase { photo: path.clone(), method, error: e.to_string() })
            }
        };
        let photo = Photo::open(path);
        let found = photo.and_then(|photo| {
            let faces = faces(context, &bench.model, &photo, args.aligned, &FaceChoice::All)?;
            Ok((photo, faces))
        });
        let (photo, faces) = match found {
            Ok(found) => found,
            Err(e) => {
                report.failed.push(failed(e, "all".into())?);
                continue;
            }
        };
        for (face, spec) in faces.iter().flat_map(|f| args.methods.iter().map(move |m| (f, m))) {
            match bench.case(&photo, face, spec) {
                Ok(case) => report.cases.push(case),
                Err(e) => report.failed.push(failed(e, spec.label.clone())?),
            }
        }
    }
    report.compute_means(args.methods.iter().map(|m| m.label.clone()));
    report.write(&args.output)?;
    context.print(&report.numbers_only(), &report.text(&args.output))?;
    if report.failed.is_empty() { Ok(()) } else { Err(Failure::SomeFailed) }
}

/// State that all cases share.
struct Bench<'c> {
    context: &'c Context,
    args: &'c EvaluateArgs,
    model: Model,
    /// `None` with --fidelity, or if the model cannot sample latent codes.
    probe: Option<GeneratorProbe>,
    /// The folder of the finished cases.
    folder: PathBuf,
}

impl<'c> Bench<'c> {
    fn new(context: &'c Context, args: &'c EvaluateArgs) -> Result<Bench<'c>> {
        let folder = args.output.join("cases");
        let mut bench = Bench { context, args, model: context.model(None)?, probe: None, folder };
        args.methods.iter().try_for_each(|m| bench.options(m).map(drop))?;
        std::fs::create_dir_all(&bench.folder).map_err(Error::io("creating", &bench.folder))?;
        if args.fidelity {
            return Ok(bench);
        }
        bench.probe = match GeneratorProbe::new(&bench.model, &context.cancel) {
            Ok(probe) => Some(probe),
            Err(Error::Unsupported(why)) => {
                context.say(&format!("drift and editability are not measured: {why}"));
                None
            }
            Err(e) => return Err(e),
        };
        Ok(bench)
    }

    /// The case of one face and one method: read from an earlier run if nothing has changed, otherwise measured.
    fn case(&self, photo: &Photo, face: &Face, spec: &MethodSpec) -> Result<Case> {
        let options = self.options(spec)?;
        let key = fingerprint(&self.model, face.crop.view(), &options)?;
        let extension = photo.path.extension().unwrap_or_default().to_string_lossy();
        let base = format!("{}.{extension}.{}", face.name, spec.label.replace([':', '/'], "-"));
        let file = self.folder.join(format!("{base}.json"));
        let is_complete = |case: &Case| case.key == key && (case.drift.is_some() || self.probe.is_none());
        if let Some(case) = Case::open(&file).filter(is_complete) {
            self.context.say(&format!("  {}, {}: result of an earlier run", face.name, spec.label));
            return Ok(case);
        }
        let (case, inversion) = self.measure(photo, face, spec, &options, key)?;
        inversion.save(self.folder.join(format!("{base}.safetensors")))?;
        case.save(&file)?;
        self.context.say(&format!("  {}, {}: {}", face.name, case.method, report::summary(&case)));
        Ok(case)
    }

    /// Inverts the face and measures the result.
    fn measure(
        &self,
        photo: &Photo,
        face: &Face,
        spec: &MethodSpec,
        options: &InvertOptions,
        key: String,
    ) -> Result<(Case, Inversion)> {
        let Bench { context, model, .. } = self;
        let cancel = &context.cancel;
        reset_peak_memory();
        let mut bar = Bar::new(context.common.quiet);
        let origin = CropSource::new(photo, face.alignment);
        let inverted =
            invert(model, face.crop.view(), origin, options, cancel, |event| bar.on_progress(event));
        bar.finish();
        let InversionResult { inversion, image, seconds, seconds_per_step, .. } = inverted?;
        let peak_memory_mb = peak_memory_mb();
        let [height, width] = model.bundle.image_shape();
        let target = resize(face.crop.view(), height, width);
        let tuned = Generator::tuned(model, &inversion)?;
        let (drift, edits) = match &self.probe {
            Some(p) => (Some(p.drift(&tuned, cancel)?), p.editability(&tuned, &inversion, cancel)?),
            None => (None, vec![]),
        };
        let strip = strip(context, model, &tuned, &inversion)?;
        let case = Case {
            key,
            photo: photo.path.clone(),
            face: face.name.clone(),
            method: spec.label.clone(),
            metrics: inversion.info.metrics,
            full_size: model.measure_at_full_resolution(image.view(), target.view(), cancel)?,
            drift,
            edits,
            steps: inversion.info.history.len(),
            parameters: inversion.info.parameters,
            seconds,
            seconds_per_step,
            peak_memory_mb,
            losses: inversion.info.history.iter().map(|step| step.total).collect(),
            pictures: Images::new(target.view(), image.view(), strip.as_ref())?,
        };
        Ok((case, inversion))
    }

    fn options(&self, spec: &MethodSpec) -> Result<InvertOptions> {
        let mut options = InvertOptions::with_method(&self.model, spec.method, spec.preset)?;
        options.seed = self.context.common.seed.number;
        if let Some(n) = self.args.iterations {
            options.settings.set_iterations(spec.method, n as usize);
        }
        spec.overrides.iter().try_for_each(|s| options.settings.set(&s.path, &s.value))?;
        Ok(options)
    }
}

/// A contact sheet with a row of edits for each direction of [`SHOWN`]. `None` if the model has none of them.
fn strip(
    context: &Context,
    model: &Model,
    tuned: &Generator,
    inversion: &Inversion,
) -> Result<Option<image::RgbImage>> {
    let named = &model.directions()?.named;
    let shown = SHOWN.into_iter().filter_map(|s| named.iter().find(|d| d.name == s));
    let mut cells = Vec::new();
    for (direction, sigmas) in shown.flat_map(|direction| STRIP.map(|sigmas| (direction, sigmas))) {
        let strength = direction.info.from_sigmas(sigmas);
        let ws = tuned.apply_edits(&inversion.ws, &[Edit::new(&direction.name, strength)], None)?;
        let label = format!("{} {:+}", direction.name, (strength * 10.0).round() / 10.0);
        cells.push((label, tuned.image(ws.view(), &context.cancel)?));
    }
    let views: Vec<(&str, ArrayView4<'_, f32>)> = cells.iter().map(|(l, i)| (l.as_str(), i.view())).collect();
    Ok((!views.is_empty()).then(|| plot::contact_sheet(&views, STRIP.len(), 160)))
}
