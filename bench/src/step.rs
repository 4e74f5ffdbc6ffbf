//! The parts of a tuning step: forward, Eq. 1 with ∂L/∂θ, the modules, and the whole step of GANI and of direct tuning.

use crate::Result;
use gani_core::bundle::Bundle;
use gani_core::invert::direct::direct_tuning;
use gani_core::report::evaluation::peak_memory_mb;
use gani_core::settings::Method;
use gani_core::invert::gani::modules::Modules;
use gani_core::loss::similarity::{self, SimilarityLoss, LossWeights, Wrt, set_theta};
use gani_core::settings::preset::{Preset, face_weights};
use gani_core::runtime::{Binding, Cancel, Runtime};
use gani_core::loss::total::{Problem, loss_gradient, observe};
use gani_core::invert::gani::tuner::Tuner;
use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::networks::stylegan2;
use gani_onnx::{Builder, Graph, cost};
use ndarray::{ArrayD, IxDyn};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Edge of the matrices whose product stands for what the processor can do.
const MATRIX: usize = 2048;

/// What is measured; a process measures one, so that its peak memory is that part's.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Part {
    /// G(ws, θ).
    Forward,
    /// L(I, G(ws, θ)) and ∂L/∂θ.
    Gradient,
    /// ψ, g → θ', and ∂L/∂θ' → ∂L/∂ψ.
    Modules,
    /// A whole step of Algorithm 1.
    Gani,
    /// A whole step of direct tuning, localisation included.
    Direct,
}

#[derive(clap::Args)]
pub struct Arguments {
    part: Part,
    /// StyleGAN2 as rosinality's code writes it; without it, the generator of the model
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// The model that LPIPS comes from
    #[arg(long, default_value = "ffhq-64")]
    model: String,
    /// Folder with ws.npy, z.npy and target.npy
    #[arg(long)]
    inputs: PathBuf,
    /// Runs that count; one more goes before
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// What every part needs.
struct Setting<'s> {
    runtime: &'s Runtime,
    objective: SimilarityLoss,
    mapping: Option<Graph>,
    w_avg: Vec<f32>,
    weights: LossWeights,
    ws: ArrayD<f32>,
    /// `[runs + 1, 512]`: a latent to localise at for each run.
    z: ArrayD<f32>,
    target: ArrayD<f32>,
    runs: usize,
    cancel: Cancel,
}

/// Measures one part.
pub fn run(runtime: &Runtime, arguments: &Arguments) -> Result<serde_json::Value> {
    let s = Setting::new(runtime, arguments)?;
    let more = match arguments.part {
        Part::Forward => json!({ "seconds": s.forward()? }),
        Part::Gradient => s.gradient()?,
        Part::Modules => json!({ "seconds": s.modules()? }),
        Part::Gani => json!({ "seconds": s.gani()? }),
        Part::Direct => json!({ "seconds": s.direct()? }),
    };
    let mut figures = json!({
        "runtime": format!("ONNX Runtime {}", runtime.version()), "device": runtime.device().to_string(), "threads": runtime.threads(), "memory_mb": peak_memory_mb(),
    });
    if let (Some(figures), serde_json::Value::Object(mut more)) = (figures.as_object_mut(), more) {
        figures.append(&mut more);
        if let Part::Forward = arguments.part {
            // After the memory was asked for.
            figures.insert("matrix_flops_per_second".into(), matrix_flops(runtime)?.into());
        }
    }
    Ok(figures)
}

impl<'s> Setting<'s> {
    fn new(runtime: &'s Runtime, arguments: &Arguments) -> Result<Setting<'s>> {
        let bundle = Bundle::open(&arguments.model)?;
        let (mut objective, mapping, w_avg) = match &arguments.checkpoint {
            None => (bundle.similarity_loss()?, bundle.mapping()?, bundle.w_avg()?.to_vec()),
            Some(path) => {
                let network = stylegan2::build(&Checkpoint::read(path)?)?;
                let size = network.generator.output_shape("image")?[3];
                let resolution = size.min(256);
                let objective = SimilarityLoss {
                    generator: network.generator,
                    tunable: network.tunable,
                    networks: bundle.losses(resolution)?,
                    resolution,
                };
                (objective, Some(network.mapping), vec![0.0; 512])
            }
        };
        // The loss that both sides have in the same words: pixels and LPIPS.
        objective.networks.retain(|n| n.name == "lpips");
        objective.generator = runtime.lowered(objective.generator)?;
        let weights = face_weights().pixel_and_lpips();
        let read = |name: &str| read_npy(&arguments.inputs.join(name));
        let (ws, z, target) = (read("ws.npy")?, read("z.npy")?, read("target.npy")?);
        let (runs, cancel) = (arguments.runs, Cancel::new());
        Ok(Setting { runtime, objective, mapping, w_avg, weights, ws, z, target, runs, cancel })
    }

    fn forward(&self) -> Result<Vec<f64>> {
        let graph = objective::image(&self.objective.generator, &self.objective.tunable)?;
        let mut generator = self.runtime.compile("generator", &graph)?.bind()?;
        generator.set("ws", self.flat_ws())?;
        set_theta(&mut generator, &self.objective.generator, &self.objective.tunable)?;
        self.timed(|_| Ok(generator.run(&self.cancel)?))
    }

    /// With the loss and the gradient's norm, which the peers must find too.
    fn gradient(&self) -> Result<serde_json::Value> {
        let target = self.observe()?;
        let mut loss = loss_gradient(self.runtime, &self.objective, &self.weights, Wrt::Weights)?.bind()?;
        loss.set("ws", self.flat_ws())?;
        loss.set("lambda", &[self.weights.lambda_pixel, self.weights.lambda_lpips])?;
        set_theta(&mut loss, &self.objective.generator, &self.objective.tunable)?;
        loss.alias_inputs(&target, "target.")?;
        let seconds = self.timed(|_| Ok(loss.run(&self.cancel)?))?;
        let mut squares = 0.0;
        for name in &self.objective.tunable {
            squares += loss.get(&format!("d.{name}"))?.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
        }
        let value = loss.with_data("loss", |l| l[0])?;
        let flops = cost::count(&self.objective.loss_gradient(&self.weights, Wrt::Weights)?).flops;
        Ok(json!({ "seconds": seconds, "loss": value, "gradient_norm": squares.sqrt(), "flops": flops }))
    }

    fn modules(&self) -> Result<Vec<f64>> {
        let settings = Preset::Paper.settings(Method::Gani, self.weights.clone(), 1).tune.module;
        let modules = Modules::of(&self.objective, settings)?;
        let fill = |part: &mut Binding, prefix: &str| -> Result<()> {
            let ports = part.session().inputs().to_vec();
            for port in ports.iter().filter(|port| port.name.starts_with(prefix)) {
                let values: Vec<f32> = (0..port.len()).map(|i| (i % 17) as f32 * 1e-3 - 8e-3).collect();
                part.set(&port.name, &values)?;
            }
            Ok(())
        };
        let mut apply = self.runtime.compile("modules", &modules.forward()?)?.bind()?;
        let mut vjp = self.runtime.compile("modules' gradient", &modules.vjp()?)?.bind()?;
        fill(&mut apply, "")?;
        fill(&mut vjp, "d.")?;
        for prefix in ["psi", "g.", "theta.", "product."] {
            vjp.alias_inputs(&apply, prefix)?;
        }
        self.timed(|_| Ok(apply.run(&self.cancel).and_then(|()| vjp.run(&self.cancel))?))
    }

    fn gani(&self) -> Result<Vec<f64>> {
        let settings = Preset::Paper.settings(Method::Gani, self.weights.clone(), self.runs).tune;
        let (have, need) = (self.z.shape()[0], self.runs + 1);
        if have < need {
            return Err(format!(
                "z.npy has {have} latents, {need} are needed: one for each run and one before"
            )
            .into());
        }
        let target = self.observe()?;
        let mut tuner = Tuner::new(&self.problem(&target), self.flat_ws(), &settings, 0)?;
        self.timed(|run| {
            let z = self.z.index_axis(ndarray::Axis(0), run).to_owned();
            Ok(tuner.step(z.as_slice().unwrap_or_default()).map(drop)?)
        })
    }

    fn direct(&self) -> Result<Vec<f64>> {
        let settings = Preset::Paper.settings(Method::Direct, self.weights.clone(), self.runs + 1).tune;
        let target = self.observe()?;
        let (mut times, mut last) = (Vec::new(), Instant::now());
        direct_tuning(&self.problem(&target), self.flat_ws(), &settings, 0, |_, _, _| {
            times.push(last.elapsed().as_secs_f64());
            last = Instant::now();
            Ok(())
        })?;
        Ok(times.split_off(1)) // the first includes making the sessions
    }

    fn observe(&self) -> Result<Binding> {
        Ok(observe(self.runtime, &self.objective, &self.weights, &self.target, &self.cancel)?)
    }

    fn problem<'a>(&'a self, target: &'a Binding) -> Problem<'a> {
        Problem {
            runtime: self.runtime,
            objective: &self.objective,
            target,
            mapping: self.mapping.as_ref(),
            w_avg: &self.w_avg,
            cancel: &self.cancel,
        }
    }

    fn flat_ws(&self) -> &[f32] {
        self.ws.as_slice().unwrap_or_default()
    }

    /// Seconds of each run but the first.
    fn timed(&self, mut run: impl FnMut(usize) -> Result<()>) -> Result<Vec<f64>> {
        run(0)?;
        let timed = |i| {
            let started = Instant::now();
            run(i).map(|()| started.elapsed().as_secs_f64())
        };
        (1..=self.runs).map(timed).collect()
    }
}

/// Operations per second of a large matrix product: the best of five.
fn matrix_flops(runtime: &Runtime) -> Result<f64> {
    let b = Builder::new();
    let [x, y] = ["x", "y"].map(|name| b.input(name, &[MATRIX, MATRIX]));
    b.output("product", x.matmul(y));
    let mut product = runtime.compile("product", &b.finish()?)?.bind()?;
    for name in ["x", "y"] {
        product.set(name, &vec![0.5; MATRIX * MATRIX])?;
    }
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let started = Instant::now();
        product.run(&Cancel::new())?;
        best = best.min(started.elapsed().as_secs_f64());
    }
    Ok(2.0 * (MATRIX as f64).powi(3) / best)
}

/// An array of f32.
pub fn read_npy(path: &Path) -> Result<ArrayD<f32>> {
    let array: ndarray::Array<f32, IxDyn> =
        ndarray_npy::read_npy(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(array)
}
