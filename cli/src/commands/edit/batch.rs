//! `gani edit PHOTO… -o DIR`: edits the faces of photos. Faces that are not in the user's cache are inverted first.

use crate::args::EditArgs;
use crate::context::{Context, Failure, Outcome, message, path_text};
use crate::faces::faces;
use crate::photos::{self, FailedPhoto};
use crate::progress::Bar;
use gani_core::edit::Edit;
use gani_core::face::{FaceChoice, PasteOptions, paste_edit};
use gani_core::face_session::{AlignedFace, FaceSession};
use gani_core::inversion::{Cache, CropSource};
use gani_core::invert::InvertOptions;
use gani_core::model::Model;
use gani_core::photo::{Photo, check_writable};
use gani_core::settings::Preset;
use gani_core::util::files::write_whole;
use gani_core::util::work_folder::clean;
use gani_core::{Error, Result};
use gani_onnx::file::read_regular;
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The file in the folder of results that says what they were made with.
const RECORD: &str = "gani-edit.json";
/// Maximum size of that file in bytes.
const MAX_RECORD_BYTES: u64 = 1 << 20;

/// An edited photo in the output of `--json`.
#[derive(Serialize)]
struct Done {
    #[serde(serialize_with = "path_text")]
    photo: PathBuf,
    #[serde(serialize_with = "path_text")]
    image: PathBuf,
    /// Number of edited faces.
    faces: usize,
    /// Number of faces that were inverted. The others were in the cache.
    inverted: usize,
    /// An earlier run has written the image.
    skipped: bool,
}

#[derive(Serialize)]
struct Report {
    files: Vec<Done>,
    failed: Vec<FailedPhoto>,
}

/// What all results of a folder have in common.
#[derive(Serialize)]
struct Record<'r> {
    edits: Vec<String>,
    model: &'r str,
    generator_sha256: &'r str,
    preset: &'r str,
    seed: u64,
    faces: String,
    keep: String,
    feather: f64,
}

/// Edits every photo. A failure does not stop the others.
pub fn run(context: &Context, args: &EditArgs, edits: Vec<Edit>) -> Outcome {
    let model = context.model(None)?;
    super::check(&model, &edits)?;
    let preset = args.preset.unwrap_or(Preset::Fast);
    let options = InvertOptions { seed: context.common.seed.number, ..InvertOptions::new(&model, preset)? };
    std::fs::create_dir_all(&args.output).map_err(Error::io("creating", &args.output))?;
    clean(&args.output);
    let photos = photos::expand(&args.inputs)?;
    let inputs = photos.iter().filter_map(|photo| photo.canonicalize().ok()).collect();
    let face = args.face.unwrap_or(FaceChoice::All);
    let mut run =
        Run { context, args, model, options, edits, face, cache: Cache::for_user(), inputs, resume: false };
    run.resume = run.is_continued()? && args.resume;
    let report = run.all(&photos)?;
    let lines: Vec<String> = report.files.iter().map(|done| done.image.display().to_string()).collect();
    context.print(&report, &lines.join("\n"))?;
    if report.failed.is_empty() { Ok(()) } else { Err(Failure::SomeFailed) }
}

/// The edits of many photos with one loaded model.
struct Run<'c> {
    context: &'c Context,
    args: &'c EditArgs,
    model: Model,
    options: InvertOptions,
    edits: Vec<Edit>,
    face: FaceChoice,
    cache: Option<Cache>,
    /// Canonical paths of all photos.
    inputs: HashSet<PathBuf>,
    /// Whether results in the folder are those of an earlier part of this run.
    resume: bool,
}

impl Run<'_> {
    /// Compares what the folder's results were made with, if it has any, with this run. Returns whether they are the same.
    ///
    /// # Errors
    /// [`Error::Input`] if they differ, except with --force.
    fn is_continued(&self) -> Result<bool> {
        let path = self.args.output.join(RECORD);
        let bundle = &self.model.bundle;
        let options = self.paste_options();
        let record = Record {
            edits: self.edits.iter().map(ToString::to_string).collect(),
            model: bundle.name(),
            generator_sha256: bundle.generator_sha256(),
            preset: self.options.preset.name(),
            seed: self.options.seed,
            faces: self.face.to_string(),
            keep: options.keep.to_string(),
            feather: options.feather,
        };
        let text = serde_json::to_vec_pretty(&record)
            .map_err(|e| Error::Runtime(format!("{}: cannot be written as JSON: {e}", path.display())))?;
        let exists = path.exists();
        if exists && read_regular(&path, MAX_RECORD_BYTES)? == text {
            return Ok(true);
        }
        if exists && !self.context.common.force {
            return Err(Error::Input(format!(
                "{} says that the folder's photos have other edits, or were made with another model or other settings; choose \
                 another folder, or use --force",
                path.display()
            )));
        }
        write_whole(&path, |w| w.write_all(&text)).map(|()| false)
    }

    fn all(&self, photos: &[PathBuf]) -> Result<Report> {
        let mut report = Report { files: Vec::new(), failed: Vec::new() };
        let mut outputs = HashSet::new();
        for (i, path) in photos.iter().enumerate() {
            if photos.len() > 1 {
                self.context.say(&format!("file {} of {}: {}", i + 1, photos.len(), path.display()));
            }
            match self.output(path, &mut outputs).and_then(|output| self.photo(path, output)) {
                Ok(done) => report.files.push(done),
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => {
                    message(&format!("error: {error}"));
                    report.failed.push(FailedPhoto { photo: path.clone(), error: error.to_string() });
                }
            }
        }
        Ok(report)
    }

    /// The result's file: the photo's name, as a PNG if its format cannot be written. `outputs` are those of earlier photos.
    fn output(&self, path: &Path, outputs: &mut HashSet<PathBuf>) -> Result<PathBuf> {
        let mut output = self.args.output.join(path.file_name().unwrap_or_default());
        if check_writable(&output).is_err() {
            output.set_extension("png");
        }
        if output.canonicalize().is_ok_and(|file| self.inputs.contains(&file)) {
            return Err(Error::Input(format!(
                "the result would replace the photo {}; choose another folder for the results",
                output.display()
            )));
        }
        match outputs.insert(output.clone()) {
            true => Ok(output),
            false => Err(Error::Input(format!(
                "{}: an earlier photo has the same name, so its result would be overwritten; rename one of them",
                path.display()
            ))),
        }
    }

    /// Edits the selected faces of one photo, unless an earlier run has.
    fn photo(&self, path: &Path, output: PathBuf) -> Result<Done> {
        if self.resume && output.exists() {
            self.context.say(&format!("  {} already exists, skipped", output.display()));
            return Ok(Done { photo: path.into(), image: output, faces: 0, inverted: 0, skipped: true });
        }
        self.context.may_write(&output)?;
        let cancel = &self.context.cancel;
        let mut photo = Photo::open(path)?;
        let (options, found) =
            (self.paste_options(), faces(self.context, &self.model, &photo, false, &self.face)?);
        let mut inverted = 0;
        for face in &found {
            let Some(alignment) = &face.alignment else { continue };
            let source = CropSource::new(&photo, face.alignment);
            let session = self.session(AlignedFace { crop: face.crop.clone(), source, number: 0 })?;
            inverted += usize::from(!session.from_cache);
            let image = session.image_with_cancel(&self.edits, cancel)?;
            let edited = session.edited_face(image.view(), options.keep, cancel)?;
            paste_edit(&mut photo, &edited, alignment, &options)?;
        }
        photo.save_over(&output, super::matte(self.args))?;
        Ok(Done { photo: path.into(), image: output, faces: found.len(), inverted, skipped: false })
    }

    /// The face's session: from the cache, or by an inversion, which the cache then keeps.
    fn session(&self, face: AlignedFace) -> Result<FaceSession> {
        let Run { model, options, cache, .. } = self;
        if let Some(cache) = cache
            && let Some(session) = face.cached(model, options, cache)?
        {
            return Ok(session);
        }
        let mut bar = Bar::new(self.context.common.quiet);
        let session =
            face.invert(model, options, cache.as_ref(), &self.context.cancel, |e| bar.on_progress(e));
        bar.finish();
        session
    }

    fn paste_options(&self) -> PasteOptions<'static> {
        super::paste_options(self.args)
    }
}
