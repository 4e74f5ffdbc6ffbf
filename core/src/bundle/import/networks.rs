//! Encoder and loss networks of a new bundle.

use super::source::{expect, is_onnx, renamed};
use super::work::{Latents, Work};
use crate::bundle::{LOSS_RESOLUTION, Loss, Network as Entry, Store};
use crate::loss::similarity::Distance;
use crate::{Error, Result};
use gani_onnx::checkpoint::{Checkpoint, Setting};
use gani_onnx::networks::{Network, arcface, e4e, lpips, moco, parsing, recognize};
use gani_onnx::{Graph, Tensor, read};
use std::path::{Path, PathBuf};

/// Encoders read cars at 192 × 256.
const CARS_SIZE: [usize; 2] = [192, 256];

type Watch<'w> = &'w mut dyn FnMut(&str, &Path);

impl Work<'_> {
    /// Writes the encoder.
    pub(super) fn encoder(&mut self, w: &Latents, watch: Watch<'_>) -> Result<()> {
        let Some(path) = &self.options.encoder else {
            self.missing(
                "encoder",
                "the latent is found by gradient alone, from the mean of w, in more steps",
            );
            return Ok(());
        };
        watch("encoder", path);
        let (graph, text) = if is_onnx(path) {
            let graph = read::from_file(path, &[])?;
            let output = if has_output(&graph, "w") { "w" } else { "ws" };
            (renamed(&one_output(&graph, output)?, path, "image", output)?, "encoder in ONNX".into())
        } else {
            let file = Checkpoint::read(path)?;
            let found = expect(&file, "--encoder", &[Network::E4e, Network::WEncoder])?;
            if let Some(Setting::Text(kind)) = file.setting("opts.encoder_type").filter(|k| **k == psp()) {
                return Err(Error::Unsupported(format!(
                    "{}: a {kind}, pSp's encoder, which has e4e's keys but adds its styles otherwise; give an e4e checkpoint",
                    path.display()
                )));
            }
            let own = Tensor::f32(&[w.mean.len()], w.mean.to_vec());
            // The mean latent that it was trained with; the generator's where it has none of its own.
            let latent = file.unscoped("latent_avg").cloned().or(own).unwrap_or_else(|| Tensor::scalar(0.0));
            let size = if self.options.domain == "cars" { CARS_SIZE } else { [LOSS_RESOLUTION; 2] };
            let inside = file.scoped(&found.prefix);
            let graph = match found.network {
                Network::E4e => e4e::e4e(&inside, &latent, size)?,
                _ => e4e::w_encoder(&inside, &latent, size)?,
            };
            (graph, found.text)
        };
        let (_, latent) =
            graph.outputs().first().ok_or_else(|| Error::Input("an encoder without output".into()))?;
        let [n, width] = w.shape;
        let fits = match *graph.info(*latent).shape {
            [1, d] => d == width,
            [1, m, d] => d == width && m >= n,
            _ => false,
        };
        if !fits {
            return Err(Error::Input(format!(
                "{}: this encoder makes {:?}, the generator takes {n} styles of {width}; they do not belong together",
                path.display(),
                graph.info(*latent).shape
            )));
        }
        self.read("encoder", path, &text)?;
        Store::Full.write(&graph, &self.folder.join("encoder.onnx"))?;
        self.manifest.encoder = Some(Entry { file: "encoder.onnx".into(), output: None });
        Ok(())
    }

    /// Writes the loss networks.
    pub(super) fn losses(&mut self, watch: Watch<'_>) -> Result<()> {
        self.lpips(watch)?;
        self.identity(watch)?;
        match &self.options.parsing {
            None => self.missing("face parsing", "no parsing term: λ4 = 0"),
            Some(path) => {
                let build = |file: &Checkpoint| {
                    let found = expect(file, "--parsing", &[Network::Parsing])?;
                    let inside = file.clone().scoped(&found.prefix);
                    Ok((parsing::contracting_path(&inside, LOSS_RESOLUTION)?, found.text))
                };
                self.loss("parsing", path, Distance::Cosine, build, watch)?;
            }
        }
        Ok(())
    }

    fn lpips(&mut self, watch: Watch<'_>) -> Result<()> {
        let (backbone, heads) = match &self.options.lpips[..] {
            [] => {
                self.missing(
                    "LPIPS",
                    "no perceptual term, λ2 = 0, and no LPIPS figure: results will be blurred",
                );
                return Ok(());
            }
            [one] => (one, None),
            [backbone, heads] if !is_onnx(backbone) => (backbone, Some(heads)),
            _ => {
                return Err(Error::Input(
                    "--lpips takes two checkpoints, BACKBONE,HEADS, or one file that holds both, or one .onnx network"
                        .into(),
                ));
            }
        };
        let build = |file: &Checkpoint| {
            let found = expect(file, "--lpips", &[Network::AlexNet])?;
            let heads = heads.map(|path| Checkpoint::read(path)).transpose()?;
            let heads = heads.as_ref().unwrap_or(file);
            let lin = expect(heads, "--lpips BACKBONE,HEADS", &[Network::LpipsHeads])?;
            let (trunk, heads) = (file.clone().scoped(&found.prefix), heads.clone().scoped(&lin.prefix));
            Ok((lpips::official(&trunk, &heads, LOSS_RESOLUTION)?, found.text))
        };
        self.loss("lpips", backbone, Distance::Squared, build, watch)?;
        heads.map_or(Ok(()), |path| self.read("lpips heads", path, Network::LpipsHeads.name()))
    }

    /// ArcFace for faces, MoCo for everything else: both make the identity term.
    fn identity(&mut self, watch: Watch<'_>) -> Result<()> {
        let mut given: Vec<PathBuf> = self.options.moco.iter().cloned().collect();
        for path in &self.options.identity {
            if is_onnx(path) || !holds(path, Network::CurricularFace)? {
                given.push(path.clone());
            }
        }
        match &given[..] {
            [] => {
                self.missing("identity", "no identity term: λ3 = 0");
                Ok(())
            }
            [path] => {
                let build = |file: &Checkpoint| {
                    let found = expect(file, "--identity or --moco", &[Network::ArcFace, Network::MoCo])?;
                    let inside = file.clone().scoped(&found.prefix);
                    let graph = match found.network {
                        Network::ArcFace => arcface::identity(&inside)?,
                        _ => moco::features(&inside, [LOSS_RESOLUTION; 2])?,
                    };
                    Ok((graph, found.text))
                };
                self.loss("identity", path, Distance::Cosine, build, watch)
            }
            [first, second, ..] => Err(Error::Input(format!(
                "{} and {} would both be the identity term; give one of them",
                first.display(),
                second.display()
            ))),
        }
    }

    /// Writes the network of a loss term, from a checkpoint by `build` or from an `.onnx` file.
    fn loss(
        &mut self,
        kind: &str,
        path: &Path,
        distance: Distance,
        build: impl FnOnce(&Checkpoint) -> Result<(Graph, String)>,
        watch: Watch<'_>,
    ) -> Result<()> {
        watch(kind, path);
        let (graph, text) = if is_onnx(path) {
            let graph = read::from_file(path, &[])?;
            let graph = if has_output(&graph, kind) { one_output(&graph, kind)? } else { graph };
            (of_image(&graph, path)?, format!("{kind} features in ONNX"))
        } else {
            build(&Checkpoint::read(path)?)?
        };
        let file = format!("{kind}.onnx");
        Store::Full.write(&graph, &self.folder.join(&file))?;
        self.read(kind, path, &text)?;
        // Where a face lies in the picture is stated for one size; other features are taken at any that they can take.
        let resolution = match (kind, self.manifest.domain.as_str()) {
            ("identity", "celeba-hq") => graph.input_shape("image")?.last().copied(),
            _ => only_size(&graph, &self.folder.join(&file)),
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

/// Writes CurricularFace, where it is given; returns its file.
pub(super) fn evaluation(work: &mut Work<'_>, watch: Watch<'_>) -> Result<Option<String>> {
    for path in &work.options.identity {
        if is_onnx(path) || !holds(path, Network::CurricularFace)? {
            continue;
        }
        watch("evaluation", path);
        let file = Checkpoint::read(path)?;
        let found = expect(&file, "--identity", &[Network::CurricularFace])?;
        let graph = arcface::evaluation(&file.scoped(&found.prefix))?;
        work.read("evaluation", path, &found.text)?;
        let to = "evaluation.onnx";
        Store::Full.write(&graph, &work.folder.join(to))?;
        return Ok(Some(to.into()));
    }
    Ok(None)
}

fn holds(path: &Path, network: Network) -> Result<bool> {
    Ok(recognize(&Checkpoint::read(path)?).iter().any(|f| f.network == network))
}

/// What pSp's checkpoints call their encoder.
fn psp() -> Setting {
    Setting::Text("GradualStyleEncoder".into())
}

/// An `.onnx` loss network: its input called `image`, all outputs kept.
fn of_image(graph: &Graph, path: &Path) -> Result<Graph> {
    let renamed_first = renamed(graph, path, "image", "features")?;
    let &[1, 3, h, w] = renamed_first.input_shape("image")? else {
        return Err(Error::Input(format!(
            "{}: a loss network takes an image [1, 3, H, W]; this one takes {:?}",
            path.display(),
            renamed_first.input_shape("image")?
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

/// The edge of the only picture size that the network in `path` takes, where it is not made for any.
fn only_size(graph: &Graph, path: &Path) -> Option<usize> {
    let &[_, _, h, w] = graph.input_shape("image").ok()? else { return None };
    let fully_convolutional = read::from_file(path, &[("image", &[1, 3, h / 2, w / 2])]).is_ok();
    (!fully_convolutional).then_some(h)
}

fn has_output(graph: &Graph, name: &str) -> bool {
    graph.outputs().iter().any(|(n, _)| n == name)
}

fn one_output(graph: &Graph, name: &str) -> Result<Graph> {
    match has_output(graph, name) {
        true => Ok(gani_onnx::networks::only_outputs(graph, &[name])?),
        false => Ok(graph.clone()),
    }
}
