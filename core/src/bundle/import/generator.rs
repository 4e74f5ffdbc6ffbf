//! The generator of a new bundle, with what is known of the distribution of w.

use super::source::{expect, is_onnx, renamed};
use super::work::{Latents, Work};
use crate::bundle::Store;
use crate::bundle::statistics::Samples;
use crate::{Error, Result};
use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::networks::{Network, stylegan2};
use gani_onnx::{Builder, Graph, Node, Value, read};
use ndarray::{Array1, Array2, ArrayD};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// Cars lie in the middle of a square picture: its rows from an eighth to seven eighths (64 to 448 of 512).
const CARS_ROWS: [usize; 2] = [1, 7];

/// A generator ready to be written.
struct Made {
    graph: Graph,
    mapping: Option<Graph>,
    tunable: Vec<String>,
    mean: Option<Array1<f32>>,
    title: String,
}

impl Work<'_> {
    /// Writes generator, mapping and the mean of w.
    pub(super) fn generator(&mut self, watch: &mut dyn FnMut(&str, &Path)) -> Result<Latents> {
        let path = &self.options.generator;
        watch("generator", path);
        let made = if is_onnx(path) { self.onnx()? } else { self.checkpoint()? };
        let graph = if self.options.domain == "cars" { cropped(&made.graph)? } else { made.graph };
        let (shape, [height, width]) = signature(&graph, path)?;
        self.read("generator", path, &format!("{}, {} weights to tune", made.title, made.tunable.len()))?;
        Store::Full.write(&graph, &self.folder.join("generator.onnx"))?;
        self.manifest.title = format!("{} ({})", made.title, self.options.domain);
        self.manifest.resolution = width;
        self.manifest.height = (height != width).then_some(height);
        self.manifest.generator.file = "generator.onnx".into();
        self.manifest.generator.tunable = made.tunable;
        let samples = self.samples(made.mapping)?;
        let mean = made.mean.or_else(|| samples.as_ref().map(|s| s.mean.clone()));
        let mean = mean.unwrap_or_else(|| {
            self.missing(
                "mean of w",
                "latents start at zero; --latents W.npy gives samples of w, or their mean",
            );
            Array1::zeros(shape[1])
        });
        if mean.len() != shape[1] {
            return Err(Error::Input(format!(
                "{}: w has {} numbers there, this generator takes {}",
                path.display(),
                mean.len(),
                shape[1]
            )));
        }
        let to = self.folder.join("w_avg.npy");
        ndarray_npy::write_npy(&to, &mean)
            .map_err(|e| Error::io("writing", &to)(std::io::Error::other(e.to_string())))?;
        Ok(Latents { shape, mean, samples })
    }

    fn checkpoint(&self) -> Result<Made> {
        let path = &self.options.generator;
        for (option, given) in [
            ("--tunable", self.options.tunable.is_some()),
            ("--mapping", self.options.mapping.is_some()),
            ("--latents", self.options.latents.is_some()),
        ] {
            if given {
                return Err(Error::Input(format!(
                    "{option} belongs to a generator in an .onnx file; {} is a checkpoint, which holds what it needs",
                    path.display()
                )));
            }
        }
        let file = Checkpoint::read(path)?;
        let found = expect(&file, "--generator", &[Network::StyleGan2])?;
        let made = stylegan2::build(&file)?;
        let mean = made.w_avg.as_ref().and_then(|t| t.as_f32()).map(|w| w.iter().copied().collect());
        Ok(Made {
            graph: made.generator,
            mapping: Some(made.mapping),
            tunable: made.tunable,
            mean,
            title: found.text,
        })
    }

    fn onnx(&self) -> Result<Made> {
        let path = &self.options.generator;
        let graph = renamed(&read::from_file(path, &[])?, path, "ws", "image")?;
        let tunable = tunable(&graph, self.options.tunable.as_deref(), path)?;
        let mapping = match &self.options.mapping {
            Some(path) => Some(renamed(&read::from_file(path, &[])?, path, "z", "w")?),
            None => None,
        };
        Ok(Made { graph, mapping, tunable, mean: None, title: "generator in ONNX".into() })
    }

    /// Samples of w: from the mapping network, which is written, or from the file that was given.
    fn samples(&mut self, mapping: Option<Graph>) -> Result<Option<Samples>> {
        if let Some(graph) = mapping {
            let file = self.folder.join("mapping.onnx");
            Store::Full.write(&graph, &file)?;
            drop(graph);
            if let Some(path) = &self.options.mapping {
                self.read("mapping", path, "z to w, in ONNX")?;
            }
            self.manifest.mapping.file = Some("mapping.onnx".into());
            return Ok(Some(Samples::of_mapping(&file, self.runtime, self.cancel)?));
        }
        let Some(path) = &self.options.latents else {
            self.missing(
                "mapping network",
                "without samples of w there is no localisation term (λl = 0) and nothing to generate from a seed, unless \
                 --direction brings principal components; --mapping M.onnx or --latents W.npy helps",
            );
            return Ok(None);
        };
        let bad = |e: &dyn std::fmt::Display| {
            Error::Input(format!("{}: not an .npy file of f32 [n, width of w] ({e})", path.display()))
        };
        let w: ArrayD<f32> = ndarray_npy::read_npy(path).map_err(|e| bad(&e))?;
        let width = w.shape().last().copied().unwrap_or(0);
        let rows = w.len() / width.max(1);
        let w = Array2::from_shape_vec((rows, width), w.iter().copied().collect()).map_err(|e| bad(&e))?;
        self.read("latents", path, &format!("{rows} samples of w"))?;
        Ok(Some(Samples::new(w)?))
    }
}

/// The rows that hold the car.
fn cropped(graph: &Graph) -> Result<Graph> {
    let b = Builder::new();
    let ws = b.input("ws", graph.input_shape("ws")?);
    let image = b.inline(graph, &[("ws", ws)])?[0];
    let rows = CARS_ROWS.map(|eighths| (image.dim(2) * eighths / 8) as i64);
    b.output("image", image.slice(&[2], &rows[..1], &rows[1..], &[1]));
    Ok(b.finish()?)
}

/// Shape of the latent, and height and width of the image.
fn signature(graph: &Graph, path: &Path) -> Result<([usize; 2], [usize; 2])> {
    match (graph.input_shape("ws")?, graph.output_shape("image")?) {
        (&[1, n, width], &[1, 3, h, w]) => Ok(([n, width], [h, w])),
        (ws, image) => Err(Error::Input(format!(
            "{}: a generator takes ws [1, n, 512] and makes an image [1, 3, R, R]; this network takes {ws:?} and makes {image:?}",
            path.display()
        ))),
    }
}

/// The convolution weights whose names fit `pattern`, in the order of their use.
fn tunable(graph: &Graph, pattern: Option<&str>, path: &Path) -> Result<Vec<String>> {
    let weights = convolution_weights(graph);
    let chosen: Vec<String> =
        weights.iter().filter(|n| pattern.is_some_and(|p| fits(p, n))).cloned().collect();
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    let some: Vec<&str> = weights.iter().take(6).map(String::as_str).collect();
    let more = if weights.len() > some.len() { ", …" } else { "" };
    Err(Error::Input(match (pattern, weights.is_empty()) {
        (_, true) => format!("{}: this generator has no named convolution weights to tune", path.display()),
        (Some(p), _) => format!(
            "--tunable '{p}' fits no convolution weight of {}; it has {}: {}{more}",
            path.display(),
            weights.len(),
            some.join(", ")
        ),
        (None, _) => format!(
            "{} needs --tunable 'PATTERN', the names of the weights that tuning may change; it has {}: {}{more}",
            path.display(),
            weights.len(),
            some.join(", ")
        ),
    }))
}

/// Names of the dense weights `[O, I, k, k]` that reach a convolution, perhaps modulated or turned round on the way.
fn convolution_weights(graph: &Graph) -> Vec<String> {
    let is_weight = |v: Value| {
        let (info, dense) = (graph.info(v), graph.constant(v).is_some_and(|t| t.as_f32().is_some()));
        let inside = info.name.is_empty() || info.name.starts_with('%');
        (dense && !inside && info.shape.len() == 4 && info.shape[1] > 1).then(|| info.name.clone())
    };
    let mut carried: HashMap<Value, String> = HashMap::new();
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let origin = |carried: &HashMap<Value, String>, v: Option<Value>| {
        v.and_then(|v| is_weight(v).or_else(|| carried.get(&v).cloned()))
    };
    let through = ["Mul", "Div", "Reshape", "Transpose", "Unsqueeze", "Squeeze", "Cast", "Identity"];
    for Node { op, inputs, outputs, .. } in graph.nodes() {
        if op == "Conv" || op == "ConvTranspose" {
            let name = origin(&carried, inputs.get(1).copied().flatten());
            found.extend(name.filter(|name| seen.insert(name.clone())));
        } else if through.contains(&op.as_str()) {
            let name = inputs.iter().find_map(|v| origin(&carried, *v));
            carried.extend(name.zip(outputs.first().copied()).map(|(name, v)| (v, name)));
        }
    }
    found
}

/// Whether a name fits a pattern, in which `*` stands for anything and `?` for one letter.
fn fits(pattern: &str, name: &str) -> bool {
    let mut letters = name.chars();
    let Some(first) = pattern.chars().next() else { return name.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '*' => name.char_indices().map(|(i, _)| i).chain([name.len()]).any(|i| fits(rest, &name[i..])),
        '?' => letters.next().is_some() && fits(rest, letters.as_str()),
        c => letters.next() == Some(c) && fits(rest, letters.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_fit_names() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("conv*.weight", "convs.0.conv.weight", true),
            ("conv?.weight", "conv1.weight", true),
            ("conv?.weight", "conv10.weight", false),
            ("*.conv.weight", "convs.0.conv.weight.x", false),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} on {name}");
        }
    }
}
