//! The encoder of a new bundle.

use super::importer::{Importer, LatentSpace, OnFile};
use super::source::{expect, has_output, is_onnx, only_output, renamed};
use crate::bundle::make::WeightPrecision;
use crate::bundle::{LOSS_RESOLUTION, Network as NetworkEntry};
use crate::{Error, Result};
use gani_onnx::checkpoint::{Checkpoint, Setting};
use gani_onnx::networks::{Network, e4e};
use gani_onnx::read::ReadOptions;
use gani_onnx::{Graph, Tensor};
use std::path::Path;

/// Height and width of the images of cars that encoders take.
const CARS_SHAPE: [usize; 2] = [192, 256];

impl Importer<'_> {
    /// Adds the encoder.
    pub(super) fn add_encoder(&mut self, w: &LatentSpace, on_file: OnFile<'_>) -> Result<()> {
        let Some(path) = &self.options.encoder else {
            self.record_missing(
                "encoder",
                "the latent is optimized from the mean of w, which takes more steps",
            );
            return Ok(());
        };
        on_file("encoder", path);
        let (graph, text) = if is_onnx(path) {
            let graph = ReadOptions::new().batch(1).read(path)?;
            let output = if has_output(&graph, "w") { "w" } else { "ws" };
            (renamed(&only_output(&graph, output)?, path, "image", output)?, "encoder in ONNX".into())
        } else {
            self.encoder_from_checkpoint(path, w)?
        };
        check_latent(&graph, path, w.shape)?;
        self.record_source("encoder", path, &text)?;
        WeightPrecision::Full.write(&graph, &self.folder.join("encoder.onnx"))?;
        self.manifest.encoder = Some(NetworkEntry { file: "encoder.onnx".into(), output: None });
        Ok(())
    }

    /// The encoder's graph and a description of it.
    fn encoder_from_checkpoint(&self, path: &Path, w: &LatentSpace) -> Result<(Graph, String)> {
        let file = Checkpoint::read(path)?;
        let found = expect(&file, "encoder", &[Network::E4e, Network::WEncoder])?;
        let psp = Setting::Text("GradualStyleEncoder".into());
        if file.setting("opts.encoder_type") == Some(&psp) {
            return Err(Error::Unsupported(format!(
                "{}: this is pSp's encoder, which has e4e's keys but combines its styles differently; use an e4e checkpoint",
                path.display()
            )));
        }
        // The mean latent of the encoder's training; if the checkpoint has none, that of the generator.
        let w_avg = Tensor::f32(&[w.mean.len()], w.mean.to_vec());
        let latent_avg =
            file.unscoped("latent_avg").cloned().or(w_avg).unwrap_or_else(|| Tensor::scalar(0.0));
        let shape = if self.options.domain == "cars" { CARS_SHAPE } else { [LOSS_RESOLUTION; 2] };
        let weights = file.scoped(&found.prefix);
        let graph = match found.network {
            Network::E4e => e4e::e4e(&weights, &latent_avg, shape)?,
            _ => e4e::w_encoder(&weights, &latent_avg, shape)?,
        };
        Ok((graph, found.text))
    }
}

/// Checks that the encoder's latent, w or ws, has the generator's length and at least its number of style layers.
fn check_latent(graph: &Graph, path: &Path, [num_ws, w_dim]: [usize; 2]) -> Result<()> {
    let (_, latent) = graph
        .outputs()
        .first()
        .ok_or_else(|| Error::Input(format!("{}: the encoder has no output", path.display())))?;
    let shape = &graph.info(*latent).shape;
    let matches = match **shape {
        [1, d] => d == w_dim,
        [1, m, d] => d == w_dim && m >= num_ws,
        _ => false,
    };
    match matches {
        true => Ok(()),
        false => Err(Error::Input(format!(
            "{}: the encoder's output has the shape {shape:?}, but the generator takes {num_ws} style vectors of length {w_dim}; encoder and \
             generator do not match",
            path.display()
        ))),
    }
}
