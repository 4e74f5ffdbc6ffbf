//! Loss networks of a new bundle.

use super::importer::{Importer, OnFile};
use super::source::{contains, expect, has_output, is_onnx, only_output, renamed};
use crate::bundle::make::WeightPrecision;
use crate::bundle::{LOSS_RESOLUTION, Loss};
use crate::loss::similarity::Distance;
use crate::{Error, Result};
use gani_onnx::Graph;
use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::networks::{Network, arcface, lpips, moco, parsing};
use gani_onnx::read::{self, ReadOptions};
use std::path::{Path, PathBuf};

impl Importer<'_> {
    /// Adds the loss networks.
    pub(super) fn add_losses(&mut self, on_file: OnFile<'_>) -> Result<()> {
        self.add_lpips(on_file)?;
        self.add_identity(on_file)?;
        match &self.options.parsing {
            None => self.record_missing("face parsing", "no parsing term: λ4 = 0"),
            Some(path) => {
                let build = |file: &Checkpoint| {
                    let found = expect(file, "parsing network", &[Network::Parsing])?;
                    let weights = file.clone().scoped(&found.prefix);
                    Ok((parsing::contracting_path(&weights, LOSS_RESOLUTION)?, found.text))
                };
                self.add_loss("parsing", path, Distance::Cosine, build, on_file)?;
            }
        }
        Ok(())
    }

    fn add_lpips(&mut self, on_file: OnFile<'_>) -> Result<()> {
        let (backbone, heads) = match &self.options.lpips[..] {
            [] => {
                self.record_missing(
                    "LPIPS",
                    "no perceptual term (λ2 = 0), so results are blurred; LPIPS is not measured",
                );
                return Ok(());
            }
            [one] => (one, None),
            [backbone, heads] if !is_onnx(backbone) => (backbone, Some(heads)),
            _ => {
                return Err(Error::Input(
                    "LPIPS needs two checkpoints (backbone and heads), one file with both, or one .onnx network".into(),
                ));
            }
        };
        let build = |file: &Checkpoint| {
            let found = expect(file, "LPIPS backbone", &[Network::AlexNet])?;
            let heads = heads.map(|path| Checkpoint::read(path)).transpose()?;
            let heads = heads.as_ref().unwrap_or(file);
            let lin = expect(heads, "LPIPS heads", &[Network::LpipsHeads])?;
            let (backbone, heads) = (file.clone().scoped(&found.prefix), heads.clone().scoped(&lin.prefix));
            Ok((lpips::official(&backbone, &heads, LOSS_RESOLUTION)?, found.text))
        };
        self.add_loss("lpips", backbone, Distance::Squared, build, on_file)?;
        heads.map_or(Ok(()), |path| self.record_source("lpips heads", path, Network::LpipsHeads.name()))
    }

    /// The identity term: ArcFace for faces, MoCo for other domains.
    fn add_identity(&mut self, on_file: OnFile<'_>) -> Result<()> {
        let mut candidates: Vec<PathBuf> = self.options.moco.iter().cloned().collect();
        for path in &self.options.identity {
            if is_onnx(path) || !contains(path, Network::CurricularFace)? {
                candidates.push(path.clone());
            }
        }
        match &candidates[..] {
            [] => {
                self.record_missing("identity", "no identity term: λ3 = 0");
                Ok(())
            }
            [path] => {
                let build = |file: &Checkpoint| {
                    let found = expect(file, "identity network", &[Network::ArcFace, Network::MoCo])?;
                    let weights = file.clone().scoped(&found.prefix);
                    let graph = match found.network {
                        Network::ArcFace => arcface::identity(&weights)?,
                        _ => moco::features(&weights, [LOSS_RESOLUTION; 2])?,
                    };
                    Ok((graph, found.text))
                };
                self.add_loss("identity", path, Distance::Cosine, build, on_file)
            }
            [first, second, ..] => Err(Error::Input(format!(
                "{} and {} are both for the identity term; give only one of them",
                first.display(),
                second.display()
            ))),
        }
    }

    /// Adds the network of a loss term: an `.onnx` file, or a checkpoint from which `build` makes a graph and its description.
    fn add_loss(
        &mut self,
        kind: &str,
        path: &Path,
        distance: Distance,
        build: impl FnOnce(&Checkpoint) -> Result<(Graph, String)>,
        on_file: OnFile<'_>,
    ) -> Result<()> {
        on_file(kind, path);
        let (graph, text) = if is_onnx(path) {
            let graph = ReadOptions::new().batch(1).read(path)?;
            let graph = if has_output(&graph, kind) { only_output(&graph, kind)? } else { graph };
            (with_image_input(&graph, path)?, format!("{kind} features in ONNX"))
        } else {
            build(&Checkpoint::read(path)?)?
        };
        let file = format!("{kind}.onnx");
        WeightPrecision::Full.write(&graph, &self.folder.join(&file))?;
        self.record_source(kind, path, &text)?;
        // The identity network crops the face at fixed pixel positions, so it needs its own resolution. Other networks take any
        // resolution that they accept.
        let resolution = match (kind, self.manifest.domain.as_str()) {
            ("identity", "celeba-hq") => graph.input_shape("image")?.last().copied(),
            _ => fixed_resolution(&graph, &self.folder.join(&file)),
        };
        self.manifest.losses.push(Loss {
            kind: kind.into(),
            file,
            output: None,
            distance,
            resolution,
            lambda: None,
        });
        Ok(())
    }
}

/// An `.onnx` loss network with its input renamed to `image`, and all of its outputs.
fn with_image_input(graph: &Graph, path: &Path) -> Result<Graph> {
    let first_output = renamed(graph, path, "image", "features")?;
    let &[1, 3, h, w] = first_output.input_shape("image")? else {
        return Err(Error::Input(format!(
            "{}: a loss network takes an image [1, 3, H, W], but this network takes {:?}",
            path.display(),
            first_output.input_shape("image")?
        )));
    };
    let b = gani_onnx::Builder::new();
    let image = b.input("image", &[1, 3, h, w]);
    let input = &graph.info(graph.inputs()[0]).name;
    for ((name, _), y) in graph.outputs().iter().zip(b.inline(graph, &[(input, image)])?) {
        b.output(name, y);
    }
    Ok(b.finish()?)
}

/// The height of the images that the network at `path` takes; `None` if it accepts any resolution.
fn fixed_resolution(graph: &Graph, path: &Path) -> Option<usize> {
    let &[_, _, h, w] = graph.input_shape("image").ok()? else { return None };
    let is_fully_convolutional = read::from_file(path, &[("image", &[1, 3, h / 2, w / 2])]).is_ok();
    (!is_fully_convolutional).then_some(h)
}
