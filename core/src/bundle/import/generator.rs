//! The generator of a new bundle, its mapping network, and the distribution of w.

use super::importer::{Importer, LatentSpace, OnFile};
use super::source::{expect, is_onnx, renamed};
use super::tunable::tunable;
use crate::bundle::make::{WeightPrecision, write_npy};
use crate::bundle::statistics::Samples;
use crate::util::npy::NpyArray;
use crate::{Error, Result};
use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::networks::{Network, stylegan2};
use gani_onnx::read::ReadOptions;
use gani_onnx::{Builder, Graph};
use ndarray::Array1;
use std::path::Path;

/// StyleGAN2 pads images of cars to a square: the picture occupies the rows from 1/8 to 7/8 (64 to 448 of 512).
const CARS_ROWS_IN_EIGHTHS: [usize; 2] = [1, 7];

/// A generator as read from its file.
struct SourceGenerator {
    graph: Graph,
    mapping: Option<Graph>,
    tunable: Vec<String>,
    w_avg: Option<Array1<f32>>,
    title: String,
}

impl Importer<'_> {
    /// Adds the generator, the mapping network and the mean of w.
    pub(super) fn add_generator(&mut self, on_file: OnFile<'_>) -> Result<LatentSpace> {
        let path = &self.options.generator;
        on_file("generator", path);
        let source =
            if is_onnx(path) { self.generator_from_onnx()? } else { self.generator_from_checkpoint()? };
        let graph = if self.options.domain == "cars" { cropped(&source.graph)? } else { source.graph };
        let (shape, [height, width]) = signature(&graph, path)?;
        let text = format!("{}, {} weights to tune", source.title, source.tunable.len());
        self.record_source("generator", path, &text)?;
        WeightPrecision::Full.write(&graph, &self.folder.join("generator.onnx"))?;
        self.manifest.title = format!("{} ({})", source.title, self.options.domain);
        self.manifest.resolution = width;
        self.manifest.height = (height != width).then_some(height);
        self.manifest.generator.file = "generator.onnx".into();
        self.manifest.generator.tunable = source.tunable;
        let samples = self.samples(source.mapping)?;
        let mean = source.w_avg.or_else(|| samples.as_ref().map(|s| s.mean.clone()));
        let mean = mean.unwrap_or_else(|| {
            self.record_missing(
                "mean of w",
                "latents start at zero; samples of w, or the mean as one sample, would give it",
            );
            Array1::zeros(shape[1])
        });
        if mean.len() != shape[1] {
            return Err(Error::Input(format!(
                "{}: the mean of w has {} elements, but the generator takes {}",
                path.display(),
                mean.len(),
                shape[1]
            )));
        }
        write_npy(&self.folder.join("w_avg.npy"), &mean)?;
        Ok(LatentSpace { shape, mean, samples })
    }

    fn generator_from_checkpoint(&self) -> Result<SourceGenerator> {
        let path = &self.options.generator;
        for (option, is_given) in [
            ("a tunable pattern", self.options.tunable.is_some()),
            ("a mapping network", self.options.mapping.is_some()),
            ("samples of w", self.options.latents.is_some()),
        ] {
            if is_given {
                return Err(Error::Input(format!(
                    "{option} can be given only for a generator in an .onnx file; {} is a checkpoint, which contains everything \
                     needed",
                    path.display()
                )));
            }
        }
        let file = Checkpoint::read(path)?;
        let found = expect(&file, "generator", &[Network::StyleGan2])?;
        let built = stylegan2::build(&file)?;
        let w_avg = built.w_avg.as_ref().and_then(|t| t.as_f32()).map(|w| w.iter().copied().collect());
        Ok(SourceGenerator {
            graph: built.generator,
            mapping: Some(built.mapping),
            tunable: built.tunable,
            w_avg,
            title: found.text,
        })
    }

    fn generator_from_onnx(&self) -> Result<SourceGenerator> {
        let path = &self.options.generator;
        let graph = renamed(&ReadOptions::new().batch(1).read(path)?, path, "ws", "image")?;
        let tunable = tunable(&graph, self.options.tunable.as_deref(), path)?;
        let mapping = match &self.options.mapping {
            Some(path) => Some(renamed(&ReadOptions::new().batch(1).read(path)?, path, "z", "w")?),
            None => None,
        };
        Ok(SourceGenerator { graph, mapping, tunable, w_avg: None, title: "generator in ONNX".into() })
    }

    /// Samples of w, from the mapping network (which is written to the bundle) or from a file of samples.
    fn samples(&mut self, mapping: Option<Graph>) -> Result<Option<Samples>> {
        if let Some(graph) = mapping {
            let file = self.folder.join("mapping.onnx");
            WeightPrecision::Full.write(&graph, &file)?;
            drop(graph);
            if let Some(path) = &self.options.mapping {
                self.record_source("mapping", path, "z to w, in ONNX")?;
            }
            self.manifest.mapping.file = Some("mapping.onnx".into());
            return Ok(Some(Samples::from_mapping(&file, self.runtime, self.cancel)?));
        }
        let Some(path) = &self.options.latents else {
            self.record_missing(
                "mapping network",
                "no localization term (λl = 0) and no images from seeds, unless a file of directions has principal components; \
                 give a mapping network or samples of w",
            );
            return Ok(None);
        };
        let shown = path.display().to_string();
        let w = NpyArray::read(path)?.finite(&shown)?.rows(&shown)?;
        let rows = w.nrows();
        self.record_source("latents", path, &format!("{rows} samples of w"))?;
        Ok(Some(Samples::new(w)?))
    }
}

/// A generator of cars without the padding rows.
fn cropped(graph: &Graph) -> Result<Graph> {
    let b = Builder::new();
    let ws = b.input("ws", graph.input_shape("ws")?);
    let image = b.inline(graph, &[("ws", ws)])?[0];
    let rows = CARS_ROWS_IN_EIGHTHS.map(|eighths| (image.dim(2) * eighths / 8) as i64);
    b.output("image", image.slice(&[2], &rows[..1], &rows[1..], &[1]));
    Ok(b.finish()?)
}

/// Shape of the latent ws without its batch axis, and height and width of the image.
fn signature(graph: &Graph, path: &Path) -> Result<([usize; 2], [usize; 2])> {
    match (graph.input_shape("ws")?, graph.output_shape("image")?) {
        (&[1, num_ws, w_dim], &[1, 3, h, w]) => Ok(([num_ws, w_dim], [h, w])),
        (ws, image) => Err(Error::Input(format!(
            "{}: a generator maps ws [1, n, 512] to an image [1, 3, R, R], but this network maps {ws:?} to {image:?}",
            path.display()
        ))),
    }
}
