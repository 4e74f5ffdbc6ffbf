//! The report of `gani evaluate`: what was measured, its means, and a page that shows it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gani_core::evaluate::{Drift, Editability, Mean};
use gani_core::metrics::Metrics;
use gani_core::model::Model;
use gani_core::photo::image_from_crop;
use gani_core::runtime::Runtime;
use gani_core::{Error, Result, files};
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use ndarray::ArrayView4;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The page, with `DATA` where the report goes.
const PAGE: &str = include_str!("report.html");
/// Edge of the pictures in the page.
const PICTURE: u32 = 384;

/// One photo by one method.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// What it was made from: photo, generator, method, settings, seed.
    pub key: String,
    pub photo: PathBuf,
    /// Name of the face, which is the photo's where that holds one.
    pub face: String,
    pub method: String,
    /// At 256 px.
    pub metrics: Metrics,
    /// At the generator's size; the identity is always measured on aligned faces.
    pub full_size: Metrics,
    pub drift: Option<Drift>,
    pub edits: Vec<Editability>,
    pub steps: usize,
    pub parameters: usize,
    pub seconds: f64,
    pub seconds_per_step: f64,
    pub peak_memory_mb: Option<u64>,
    /// L of every step.
    pub losses: Vec<f32>,
    pub pictures: Pictures,
}

impl Case {
    /// What an earlier run wrote; nothing where it is not there or not whole.
    pub fn open(path: &Path) -> Option<Case> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
}

/// Pictures of a case as `data:` addresses.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pictures {
    pub photo: String,
    pub result: String,
    pub edits: Option<String>,
}

impl Pictures {
    /// Of a photo and its inversion, `[1,3,H,W]` in `[-1,1]`, and a strip of edits.
    pub fn new(
        photo: ArrayView4<'_, f32>,
        result: ArrayView4<'_, f32>,
        edits: Option<&RgbImage>,
    ) -> Result<Pictures> {
        let small = |image: ArrayView4<'_, f32>| {
            let image = image_from_crop(image);
            let height = (u64::from(PICTURE) * u64::from(image.height()) / u64::from(image.width())) as u32;
            address(&resize(&image, PICTURE, height.max(1), FilterType::Lanczos3))
        };
        Ok(Pictures { photo: small(photo)?, result: small(result)?, edits: edits.map(address).transpose()? })
    }
}

fn address(image: &RgbImage) -> Result<String> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 88)
        .encode_image(image)
        .map_err(|e| Error::Runtime(format!("a picture of the report: {e}")))?;
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes)))
}

/// A photo that failed.
#[derive(Clone, Debug, Serialize)]
pub struct Unmeasured {
    pub photo: PathBuf,
    pub method: String,
    pub error: String,
}

/// The means of one method.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub method: String,
    pub n: usize,
    /// Mean and standard error by column, in the order of [`COLUMNS`]; `null` where nothing was measured.
    pub means: Vec<Option<Mean>>,
}

/// A column of the tables: its name and what it takes from a case.
type Column = (&'static str, fn(&Case) -> Option<f64>);

/// Table 2's columns first, then what it does not have.
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
    ("edit strength kept", strength_kept),
    ("ID of edits ↑", |c| mean(c.edits.iter().map(|e| e.identity[1]))),
    ("ID of edits before", |c| mean(c.edits.iter().map(|e| e.identity[0]))),
    ("seconds ↓", |c| Some(c.seconds)),
    ("seconds per step ↓", |c| (c.seconds_per_step > 0.0).then_some(c.seconds_per_step)),
    ("memory MB ↓", |c| c.peak_memory_mb.map(|mb| mb as f64)),
];

/// Σ after·before / Σ before² over the directions: the slope of what they do after tuning over what they did before. A mean
/// of ratios would hang on directions that do next to nothing at this face.
fn strength_kept(case: &Case) -> Option<f64> {
    let moved = || case.edits.iter().filter_map(|e| e.moved);
    let before: f64 = moved().map(|[before, _]| before * before).sum();
    (before > 0.0).then(|| moved().map(|[before, after]| before * after).sum::<f64>() / before)
}

fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    Mean::of(values).map(|m| m.mean)
}

/// One line of a case for people.
pub fn figures(case: &Case) -> String {
    let drift = case.drift.and_then(|d| d.lpips).map_or(String::new(), |d| format!(", drift {d:.4}"));
    format!("{}{drift}, {:.0} s", case.metrics, case.seconds)
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub gani: &'static str,
    pub model: String,
    pub device: String,
    pub threads: usize,
    pub columns: Vec<&'static str>,
    pub methods: Vec<Row>,
    pub cases: Vec<Case>,
    pub failed: Vec<Unmeasured>,
}

impl Report {
    /// An empty report.
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

    /// Takes the means by method.
    pub fn summarise(&mut self, methods: impl Iterator<Item = String>) {
        let row = |method: String| {
            let cases: Vec<&Case> = self.cases.iter().filter(|c| c.method == method).collect();
            let means = COLUMNS.iter().map(|(_, value)| Mean::of(cases.iter().map(|c| value(c)))).collect();
            Row { method, n: cases.len(), means }
        };
        self.methods = methods.map(row).collect();
    }

    /// Writes `report.html`, `report.json` and `report.csv` into `folder`, each whole or not at all.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let json =
            serde_json::to_string(self).map_err(|e| Error::Runtime(format!("the report is no JSON: {e}")))?;
        // "</" would end the script that holds the data.
        let page = PAGE.replace("DATA", &json.replace("</", "<\\/"));
        let plain = serde_json::to_string_pretty(&self.figures_alone())
            .map_err(|e| Error::Runtime(format!("the report is no JSON: {e}")))?;
        for (name, text) in [("report.json", plain), ("report.csv", self.csv()), ("report.html", page)] {
            files::write_whole(&folder.join(name), |w| w.write_all(text.as_bytes()))?;
        }
        Ok(())
    }

    /// The figures alone: without pictures and losses.
    pub fn figures_alone(&self) -> Report {
        let mut report = self.clone();
        for case in &mut report.cases {
            case.pictures = Pictures::default();
            case.losses.clear();
        }
        report
    }

    /// A line per case.
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

    /// The means as a table for the terminal: a block per method.
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
