//! The report of `gani evaluate`: measurements, means per method, and an HTML page.

use crate::context::path_text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gani_core::metrics::Metrics;
use gani_core::model::Model;
use gani_core::photo::image_from_crop;
use gani_core::report::evaluation::{Drift, Editability, Mean};
use gani_core::runtime::Runtime;
use gani_core::util::files;
use gani_core::{Error, Result};
use gani_onnx::file::read_regular;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use ndarray::ArrayView4;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Maximum size of the result of one case in bytes. Its pictures have a few megabytes.
const MAX_CASE_BYTES: u64 = 256 << 20;

/// The HTML page. `DATA` is replaced by the report as JSON.
const PAGE: &str = include_str!("report.html");
/// Width in pixels of the images in the page.
const IMAGE_WIDTH: u32 = 384;

/// The measurements of one face with one method.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// Cache key of the inversion: photo, generator, method, settings, seed.
    pub key: String,
    #[serde(serialize_with = "path_text")]
    pub photo: PathBuf,
    /// Name of the face: the photo's name, with a number if the photo contains several faces.
    pub face: String,
    pub method: String,
    /// Metrics at 256 px.
    pub metrics: Metrics,
    /// Metrics at the generator's resolution. ID is always measured on aligned faces at a fixed resolution.
    pub full_size: Metrics,
    pub drift: Option<Drift>,
    pub edits: Vec<Editability>,
    pub steps: usize,
    pub parameters: usize,
    pub seconds: f64,
    pub seconds_per_step: f64,
    pub peak_memory_mb: Option<u64>,
    /// The total loss L of every step.
    pub losses: Vec<f32>,
    pub pictures: Images,
}

impl Case {
    /// Reads the result of an earlier run. `None` if the file is missing, incomplete or damaged.
    pub fn open(path: &Path) -> Option<Case> {
        let (hash, json): (String, String) =
            serde_json::from_slice(&read_regular(path, MAX_CASE_BYTES).ok()?).ok()?;
        if hash != files::sha256_of(json.as_bytes()) {
            log::warn!("{} is damaged; the face is measured again", path.display());
            return None;
        }
        serde_json::from_str(&json).ok()
    }

    /// Writes the case for a later run: a JSON array of the sha256 and the text of the case.
    pub fn save(&self, path: &Path) -> Result<()> {
        let failed = |e| Error::Runtime(format!("the case cannot be written as JSON: {e}"));
        let json = serde_json::to_string(self).map_err(failed)?;
        let file = serde_json::to_vec(&(files::sha256_of(json.as_bytes()), json)).map_err(failed)?;
        files::write_whole(path, |w| w.write_all(&file))
    }
}

/// The images of a case as `data:` URLs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Images {
    pub photo: String,
    pub result: String,
    pub edits: Option<String>,
}

impl Images {
    /// Encodes a photo and its inversion, `[1,3,H,W]` in `[-1,1]`, and a strip of edits.
    pub fn new(
        photo: ArrayView4<'_, f32>,
        result: ArrayView4<'_, f32>,
        edits: Option<&RgbImage>,
    ) -> Result<Images> {
        let thumbnail = |image: ArrayView4<'_, f32>| {
            let image = image_from_crop(image);
            let height =
                (u64::from(IMAGE_WIDTH) * u64::from(image.height()) / u64::from(image.width())) as u32;
            data_url(&resize(&image, IMAGE_WIDTH, height.max(1), FilterType::Lanczos3))
        };
        Ok(Images {
            photo: thumbnail(photo)?,
            result: thumbnail(result)?,
            edits: edits.map(data_url).transpose()?,
        })
    }
}

fn data_url(image: &RgbImage) -> Result<String> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 88)
        .encode_image(image)
        .map_err(|e| Error::Runtime(format!("cannot encode an image of the report: {e}")))?;
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes)))
}

/// A photo or method that failed.
#[derive(Clone, Debug, Serialize)]
pub struct FailedCase {
    #[serde(serialize_with = "path_text")]
    pub photo: PathBuf,
    pub method: String,
    pub error: String,
}

/// The mean values of one method.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub method: String,
    pub n: usize,
    /// Mean and standard error in the order of [`COLUMNS`]. `null` if nothing was measured.
    pub means: Vec<Option<Mean>>,
}

/// A column of the tables: its name and its value for a case.
type Column = (&'static str, fn(&Case) -> Option<f64>);

/// The columns: those of Table 2 of the paper first.
pub const COLUMNS: [Column; 15] = [
    ("ID ↑", |c| c.metrics.id),
    ("MS-SSIM ↑", |c| c.metrics.ms_ssim),
    ("LPIPS ↓", |c| c.metrics.lpips),
    ("MSE ↓", |c| Some(c.metrics.mse)),
    ("MS-SSIM full ↑", |c| c.full_size.ms_ssim),
    ("LPIPS full ↓", |c| c.full_size.lpips),
    ("MSE full ↓", |c| Some(c.full_size.mse)),
    ("drift LPIPS ↓", |c| c.drift.and_then(|d| d.lpips)),
    ("drift MSE ↓", |c| c.drift.map(|d| d.mse)),
    ("edit strength retained", strength_retained),
    ("ID of edits ↑", |c| mean(c.edits.iter().map(|e| e.identity[1]))),
    ("ID of edits before", |c| mean(c.edits.iter().map(|e| e.identity[0]))),
    ("seconds ↓", |c| Some(c.seconds)),
    ("seconds per step ↓", |c| (c.seconds_per_step > 0.0).then_some(c.seconds_per_step)),
    ("memory MB ↓", |c| c.peak_memory_mb.map(|mb| mb as f64)),
];

/// Σ after·before / Σ before² over the directions: the least-squares slope of the edits' effect after tuning on their effect
/// before it. A mean of ratios would be dominated by directions with almost no effect on this face.
fn strength_retained(case: &Case) -> Option<f64> {
    let moved = || case.edits.iter().filter_map(|e| e.attribute_change);
    let before: f64 = moved().map(|[before, _]| before * before).sum();
    (before > 0.0).then(|| moved().map(|[before, after]| before * after).sum::<f64>() / before)
}

fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    Mean::from_values(values).map(|m| m.mean)
}

/// One line of text about a case.
pub fn summary(case: &Case) -> String {
    let drift = case.drift.and_then(|d| d.lpips).map_or(String::new(), |d| format!(", drift {d:.4}"));
    format!("{}{drift}, {:.0} s", case.metrics, case.seconds)
}

/// All measurements.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub gani: &'static str,
    pub model: String,
    pub device: String,
    pub threads: usize,
    pub columns: Vec<&'static str>,
    pub methods: Vec<Row>,
    pub cases: Vec<Case>,
    pub failed: Vec<FailedCase>,
}

impl Report {
    /// Creates an empty report.
    pub fn new(model: &Model, runtime: &Runtime) -> Report {
        Report {
            gani: env!("CARGO_PKG_VERSION"),
            model: model.bundle.name().into(),
            device: runtime.device().to_string(),
            threads: runtime.threads(),
            columns: COLUMNS.map(|(name, _)| name).to_vec(),
            methods: vec![],
            cases: vec![],
            failed: vec![],
        }
    }

    /// Computes the means of each method.
    pub fn compute_means(&mut self, methods: impl Iterator<Item = String>) {
        let row = |method: String| {
            let cases: Vec<&Case> = self.cases.iter().filter(|c| c.method == method).collect();
            let means =
                COLUMNS.iter().map(|(_, value)| Mean::from_values(cases.iter().map(|c| value(c)))).collect();
            Row { method, n: cases.len(), means }
        };
        self.methods = methods.map(row).collect();
    }

    /// Writes `report.html`, `report.json` and `report.csv` to `folder`, each atomically.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_string(self)
            .map_err(|e| Error::Runtime(format!("the report cannot be written as JSON: {e}")))?;
        // "</" would end the script element that contains the data.
        let page = PAGE.replace("DATA", &json.replace("</", "<\\/"));
        let plain = serde_json::to_string_pretty(&self.numbers_only())
            .map_err(|e| Error::Runtime(format!("the report cannot be written as JSON: {e}")))?;
        for (name, text) in [("report.json", plain), ("report.csv", self.csv()), ("report.html", page)] {
            files::write_whole(&folder.join(name), |w| w.write_all(text.as_bytes()))?;
        }
        Ok(())
    }

    /// A copy without images and losses.
    pub fn numbers_only(&self) -> Report {
        let mut report = self.clone();
        for case in &mut report.cases {
            case.pictures = Images::default();
            case.losses.clear();
        }
        report
    }

    /// CSV with a line for each case.
    fn csv(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let names = COLUMNS.map(|(name, _)| quoted(name.trim_end_matches(['↑', '↓', ' '])));
        let mut csv = format!("photo,face,method,steps,parameters,{}\n", names.join(","));
        for case in &self.cases {
            let values = COLUMNS.map(|(_, value)| value(case).map_or(String::new(), |v| v.to_string()));
            let [photo, face, method] =
                [&*case.photo.to_string_lossy(), &case.face, &case.method].map(quoted);
            let (steps, parameters) = (case.steps, case.parameters);
            csv += &format!("{photo},{face},{method},{steps},{parameters},{}\n", values.join(","));
        }
        csv
    }

    /// The means as text for the terminal, a block for each method.
    pub fn text(&self, folder: &Path) -> String {
        let mut lines = vec![folder.join("report.html").display().to_string()];
        for row in &self.methods {
            lines.push(format!("{} ({} faces)", row.method, row.n));
            for ((name, _), mean) in COLUMNS.iter().zip(&row.means) {
                lines.extend(mean.map(|m| format!("  {name:20} {m}")));
            }
        }
        lines.join("\n")
    }
}
