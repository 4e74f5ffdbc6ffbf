//! Times the parts of a tuning step: the generator, Eq. 1 with ∂L/∂θ, the modules, and whole steps of GANI and of direct tuning.

use crate::Result;
use gani_core::bundle::Bundle;
use gani_core::invert::direct::direct_tuning;
use gani_core::invert::gani::modules::Modules;
use gani_core::invert::gani::tuner::Tuner;
use gani_core::loss::similarity::{SimilarityLoss, Wrt, generator_graph, set_theta};
use gani_core::loss::total::{Problem, loss_gradient, target_features};
use gani_core::report::evaluation::peak_memory_mb;
use gani_core::runtime::{Binding, Cancel, Runtime};
use gani_core::settings::{Domain, LossWeights, Method, Preset, TuneSettings, domain};
use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::networks::stylegan2;
use gani_onnx::{Builder, Graph, cost};
use ndarray::{ArrayD, IxDyn};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Side of the square matrices whose product measures the CPU's speed.
const MATRIX: usize = 2048;

/// The part to measure. A process measures one part, so that its peak memory is that of the part.
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
    /// A whole step of direct tuning, localization included.
    Direct,
}

#[derive(clap::Args)]
pub struct Arguments {
    part: Part,
    /// A StyleGAN2 checkpoint in rosinality's layout, in place of the model's generator
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// The model whose LPIPS is used
    #[arg(long, default_value = "ffhq-64")]
    model: String,
    /// Folder with ws.npy, z.npy and target.npy
    #[arg(long)]
    inputs: PathBuf,
    /// Measured runs, after one warm-up run
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// What all parts use.
struct Setup<'s> {
    runtime: &'s Runtime,
    loss: SimilarityLoss,
    mapping: Option<Graph>,
    w_avg: Vec<f32>,
    weights: LossWeights,
    ws: ArrayD<f32>,
    /// The sample z of each run, `[runs + 1, 512]`.
    z: ArrayD<f32>,
    target: ArrayD<f32>,
    runs: usize,
    cancel: Cancel,
}

/// Measures one part.
pub fn run(runtime: &Runtime, arguments: &Arguments) -> Result<serde_json::Value> {
    let setup = Setup::new(runtime, arguments)?;
    let part = match arguments.part {
        Part::Forward => json!({ "seconds": setup.forward()? }),
        Part::Gradient => setup.gradient()?,
        Part::Modules => json!({ "seconds": setup.modules()? }),
        Part::Gani => json!({ "seconds": setup.gani()? }),
        Part::Direct => json!({ "seconds": setup.direct()? }),
    };
    let mut measurements = json!({
        "runtime": format!("ONNX Runtime {}", runtime.version()),
        "device": runtime.device().to_string(),
        "threads": runtime.threads(),
        "memory_mb": peak_memory_mb(),
    });
    if let (Some(measurements), serde_json::Value::Object(mut part)) = (measurements.as_object_mut(), part) {
        measurements.append(&mut part);
        if let Part::Forward = arguments.part {
            // After `peak_memory_mb`, which must not include the matrices.
            measurements.insert("matrix_flops_per_second".into(), matrix_flops(runtime)?.into());
        }
    }
    Ok(measurements)
}

impl<'s> Setup<'s> {
    fn new(runtime: &'s Runtime, arguments: &Arguments) -> Result<Setup<'s>> {
        let bundle = Bundle::open(&arguments.model)?;
        let (mut loss, mapping, w_avg) = match &arguments.checkpoint {
            None => (bundle.similarity_loss()?, bundle.mapping()?, bundle.w_avg()?.to_vec()),
            Some(path) => {
                let network = stylegan2::build(&Checkpoint::read(path)?)?;
                let resolution = network.generator.output_shape("image")?[3].min(256);
                let loss = SimilarityLoss {
                    generator: network.generator,
                    tunable: network.tunable,
                    networks: bundle.losses(resolution)?,
                    resolution,
                };
                (loss, Some(network.mapping), vec![0.0; 512])
            }
        };
        // The terms that the PyTorch programs have too: pixel and LPIPS.
        loss.networks.retain(|n| n.name == "lpips");
        loss.generator = runtime.lowered(loss.generator)?;
        let weights = domain("celeba-hq")?.loss_weights.pixel_and_lpips();
        let read = |name: &str| read_npy(&arguments.inputs.join(name));
        let (ws, z, target) = (read("ws.npy")?, read("z.npy")?, read("target.npy")?);
        let (runs, cancel) = (arguments.runs, Cancel::new());
        Ok(Setup { runtime, loss, mapping, w_avg, weights, ws, z, target, runs, cancel })
    }

    fn forward(&self) -> Result<Vec<f64>> {
        let graph = generator_graph(&self.loss.generator, &self.loss.tunable)?;
        let mut generator = self.runtime.compile("generator", &graph)?.bind()?;
        generator.set("ws", self.ws())?;
        set_theta(&mut generator, &self.loss.generator, &self.loss.tunable)?;
        self.time(|_| Ok(generator.run(&self.cancel)?))
    }

    /// Also returns the loss and the norm of its gradient, which must agree with those of the PyTorch programs.
    fn gradient(&self) -> Result<serde_json::Value> {
        let target = self.target_features()?;
        let mut loss = loss_gradient(self.runtime, &self.loss, &self.weights, Wrt::Weights)?.bind()?;
        loss.set("ws", self.ws())?;
        loss.set("lambda", &["pixel", "lpips"].map(|term| self.weights.lambda(term)))?;
        set_theta(&mut loss, &self.loss.generator, &self.loss.tunable)?;
        loss.alias_inputs(&target, "target.")?;
        let seconds = self.time(|_| Ok(loss.run(&self.cancel)?))?;
        let mut squares = 0.0;
        for name in &self.loss.tunable {
            squares += loss.get(&format!("d.{name}"))?.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
        }
        let value = loss.with_data("loss", |l| l[0])?;
        let flops = cost::count(&self.loss.loss_gradient(&self.weights, Wrt::Weights)?).flops;
        Ok(json!({ "seconds": seconds, "loss": value, "gradient_norm": squares.sqrt(), "flops": flops }))
    }

    fn modules(&self) -> Result<Vec<f64>> {
        let modules = Modules::for_generator(&self.loss, self.settings(Method::Gani, 1)?.module)?;
        let fill = |binding: &mut Binding, prefix: &str| -> Result<()> {
            let inputs = binding.session().inputs().to_vec();
            for input in inputs.iter().filter(|input| input.name.starts_with(prefix)) {
                let values: Vec<f32> = (0..input.len()).map(|i| (i % 17) as f32 * 1e-3 - 8e-3).collect();
                binding.set(&input.name, &values)?;
            }
            Ok(())
        };
        let mut forward = self.runtime.compile("modules", &modules.forward()?)?.bind()?;
        let mut vjp = self.runtime.compile("modules' gradient", &modules.vjp()?)?.bind()?;
        fill(&mut forward, "")?;
        fill(&mut vjp, "d.")?;
        for prefix in ["psi", "g.", "theta.", "product."] {
            vjp.alias_inputs(&forward, prefix)?;
        }
        self.time(|_| Ok(forward.run(&self.cancel).and_then(|()| vjp.run(&self.cancel))?))
    }

    fn gani(&self) -> Result<Vec<f64>> {
        let settings = self.settings(Method::Gani, self.runs)?;
        let (found, needed) = (self.z.shape()[0], self.runs + 1);
        if found < needed {
            let text =
                format!("z.npy has {found} samples; {needed} are needed: one per run, and one to warm up");
            return Err(text.into());
        }
        let target = self.target_features()?;
        let mut tuner = Tuner::new(&self.problem(&target), self.ws(), &settings, 0)?;
        self.time(|run| {
            let z = self.z.index_axis(ndarray::Axis(0), run).to_owned();
            Ok(tuner.step(z.as_slice().unwrap_or_default()).map(drop)?)
        })
    }

    fn direct(&self) -> Result<Vec<f64>> {
        let settings = self.settings(Method::Direct, self.runs + 1)?;
        let target = self.target_features()?;
        let (mut times, mut last) = (Vec::new(), Instant::now());
        direct_tuning(&self.problem(&target), self.ws(), &settings, 0, |_, _, _| {
            times.push(last.elapsed().as_secs_f64());
            last = Instant::now();
            Ok(())
        })?;
        Ok(times.split_off(1)) // the first step includes the creation of the sessions
    }

    /// The published tuning settings, with the loss weights of this comparison.
    fn settings(&self, method: Method, iterations: usize) -> Result<TuneSettings> {
        let domain = Domain { iterations, loss_weights: self.weights.clone(), ..domain("celeba-hq")? };
        Ok(Preset::Paper.settings(method, &domain).tune)
    }

    fn target_features(&self) -> Result<Binding> {
        Ok(target_features(self.runtime, &self.loss, &self.weights, &self.target, &self.cancel)?)
    }

    fn problem<'a>(&'a self, target: &'a Binding) -> Problem<'a> {
        Problem {
            runtime: self.runtime,
            loss: &self.loss,
            target,
            mapping: self.mapping.as_ref(),
            w_avg: &self.w_avg,
            cancel: &self.cancel,
        }
    }

    fn ws(&self) -> &[f32] {
        self.ws.as_slice().unwrap_or_default()
    }

    /// Seconds of each run after the warm-up run.
    fn time(&self, mut run: impl FnMut(usize) -> Result<()>) -> Result<Vec<f64>> {
        run(0)?;
        let timed = |i| {
            let started = Instant::now();
            run(i).map(|()| started.elapsed().as_secs_f64())
        };
        (1..=self.runs).map(timed).collect()
    }
}

/// Floating-point operations per second of a large matrix product: the best of five runs.
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

/// Reads an f32 array.
fn read_npy(path: &Path) -> Result<ArrayD<f32>> {
    let array: ndarray::Array<f32, IxDyn> =
        ndarray_npy::read_npy(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(array)
}
