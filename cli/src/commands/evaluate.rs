//! `gani evaluate DIR`: inversion methods compared over the faces of a folder, as one page, JSON and CSV.

use crate::args::{Contender, EvaluateArgs};
use crate::commands::invert::{Face, faces};
use crate::context::{Context, Failure, Outcome};
use crate::photos;
use crate::progress::Bar;
use crate::report::{Case, Pictures, Report, Unmeasured, figures};
use gani_core::cache::Cache;
use gani_core::edit::Edit;
use gani_core::editor::Editor;
use gani_core::evaluate::{Probe, peak_memory_mb, reset_peak_memory};
use gani_core::inversion::Inversion;
use gani_core::invert::{InvertOptions, Inverted, Origin, invert};
use gani_core::model::Model;
use gani_core::photo::{FaceChoice, Photo};
use gani_core::{Error, Result, figure, files, metrics};
use ndarray::ArrayView4;
use std::path::PathBuf;

/// Strengths in the edit strips, in σ.
const STRIP: [f32; 5] = [-2.0, -1.0, 0.0, 1.0, 2.0];
/// Directions in the edit strips, of those that the model has.
const SHOWN: [&str; 3] = ["smile", "age", "yaw"];

/// Inverts every face by every method, or takes what an earlier run left; one that fails does not end the others.
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
                eprintln!("error: {e}");
                Ok(Unmeasured { photo: path.clone(), method, error: e.to_string() })
            }
        };
        let photo = Photo::load(path);
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
        for (face, contender) in faces.iter().flat_map(|f| args.methods.iter().map(move |m| (f, m))) {
            match bench.case(&photo, face, contender) {
                Ok(case) => report.cases.push(case),
                Err(e) => report.failed.push(failed(e, contender.label.clone())?),
            }
        }
    }
    report.summarise(args.methods.iter().map(|m| m.label.clone()));
    report.write(&args.output)?;
    context.print(&report.figures_alone(), &report.text(&args.output))?;
    if report.failed.is_empty() { Ok(()) } else { Err(Failure::Some) }
}

/// What every case is measured with.
struct Bench<'c> {
    context: &'c Context,
    args: &'c EvaluateArgs,
    model: Model,
    /// None where the model cannot sample latents, and where only fidelity is asked for.
    probe: Option<Probe>,
    /// Where cases are kept.
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
        bench.probe = match Probe::new(&bench.model, &context.cancel) {
            Ok(probe) => Some(probe),
            Err(Error::Unsupported(why)) => {
                context.say(&format!("drift and edits are not measured: {why}"));
                None
            }
            Err(e) => return Err(e),
        };
        Ok(bench)
    }

    /// One face by one method: from an earlier run where nothing has changed since, else measured now.
    fn case(&self, photo: &Photo, face: &Face, contender: &Contender) -> Result<Case> {
        let Bench { context, model, .. } = self;
        let cancel = &context.cancel;
        let options = self.options(contender)?;
        let key = Cache::key(model, face.crop.view(), &options)?;
        let name = photo.path.extension().unwrap_or_default().to_string_lossy();
        let base = format!("{}.{name}.{}", face.name, contender.label.replace([':', '/'], "-"));
        let kept = self.folder.join(format!("{base}.json"));
        let enough = |case: &Case| case.key == key && (case.drift.is_some() || self.probe.is_none());
        if let Some(case) = Case::open(&kept).filter(enough) {
            context.say(&format!("  {}, {}: kept from before", face.name, contender.label));
            return Ok(case);
        }
        reset_peak_memory();
        let mut bar = Bar::new(context.common.quiet);
        let origin = Origin::of(photo, face.alignment);
        let inverted = invert(model, face.crop.view(), origin, &options, cancel, |p| bar.show(p));
        bar.finish();
        let Inverted { inversion, image, seconds, seconds_per_step, .. } = inverted?;
        let peak_memory_mb = peak_memory_mb();
        let [height, width] = model.bundle.image_size();
        let target = metrics::resize(face.crop.view(), height, width);
        let tuned = Editor::tuned(model, &inversion)?;
        let (drift, edits) = match &self.probe {
            Some(p) => (Some(p.drift(&tuned, cancel)?), p.editability(&tuned, &inversion, cancel)?),
            None => (None, vec![]),
        };
        let strip = strip(context, model, &tuned, &inversion)?;
        let case = Case {
            key,
            photo: photo.path.clone(),
            face: face.name.clone(),
            method: contender.label.clone(),
            metrics: inversion.info.metrics,
            full_size: model.measure_at_full_size(image.view(), target.view(), cancel)?,
            drift,
            edits,
            steps: inversion.info.history.len(),
            parameters: inversion.info.parameters,
            seconds,
            seconds_per_step,
            peak_memory_mb,
            losses: inversion.info.history.iter().map(|step| step.total).collect(),
            pictures: Pictures::new(target.view(), image.view(), strip.as_ref())?,
        };
        inversion.save(&self.folder.join(format!("{base}.safetensors")))?;
        let json =
            serde_json::to_vec(&case).map_err(|e| Error::Runtime(format!("the case is no JSON: {e}")))?;
        files::write_whole(&kept, |w| w.write_all(&json))?;
        context.say(&format!("  {}, {}: {}", face.name, case.method, figures(&case)));
        Ok(case)
    }

    fn options(&self, contender: &Contender) -> Result<InvertOptions> {
        let mut options = InvertOptions::of(&self.model, contender.method, contender.preset)?;
        options.seed = self.context.common.seed;
        if let Some(n) = self.args.iterations {
            options.settings.set_iterations(contender.method, n as usize);
        }
        contender.with.iter().try_for_each(|s| options.settings.set(&s.path, &s.value))?;
        Ok(options)
    }
}

/// A row of edits for each direction shown; none for a model that has none of them.
fn strip(
    context: &Context,
    model: &Model,
    tuned: &Editor,
    inversion: &Inversion,
) -> Result<Option<image::RgbImage>> {
    let named = &model.directions()?.named;
    let shown = SHOWN.into_iter().filter(|s| named.iter().any(|d| d.name == *s));
    let mut cells = Vec::new();
    for (name, strength) in shown.flat_map(|name| STRIP.map(|strength| (name, strength))) {
        let ws = tuned.moved(&inversion.ws, &[Edit { direction: name.into(), strength }], None)?;
        cells.push((format!("{name} {strength:+}"), tuned.image(ws.view(), &context.cancel)?));
    }
    let views: Vec<(&str, ArrayView4<'_, f32>)> = cells.iter().map(|(l, i)| (l.as_str(), i.view())).collect();
    Ok((!views.is_empty()).then(|| figure::sheet(&views, STRIP.len(), 160)))
}
