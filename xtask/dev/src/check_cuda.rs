//! `cargo xtask check-cuda`: checks that ONNX Runtime places every node of every graph on the GPU, on a machine without one.
//!
//! ONNX Runtime's CUDA provider assigns nodes when a session is created, before any kernel runs. With stubs of the CUDA
//! libraries it does so on any machine. The check tells nothing about the results and the speed of the kernels.

mod gradients;
mod placement;
mod stubs;
mod stylegan2;

use gani_core::bundle::Bundle;
use gani_core::report::graphs::{self, NamedGraph};
use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_core::settings::Preset;
use gani_onnx::{Builder, ConvAttrs, Graph, cost, cuda, write};
use std::path::Path;
use std::process::Command;
use xtask::steps;

/// Environment variable of the child process, whose library path contains the stubs.
const HAS_STUBS: &str = "GANI_HAS_CUDA_STUBS";

/// Peak rates of a 24 GB card (RTX 4090): f32 without tensor cores, because gani disables TF32.
const PEAK: cost::Machine = cost::Machine { flops: 82.6e12, bytes: 1008e9, launch_overhead: 0.0 };
/// Expected rates of that card: half the peak FLOPS, three quarters of the bandwidth, 5 µs to launch a kernel.
const EXPECTED: cost::Machine = cost::Machine { flops: 41e12, bytes: 756e9, launch_overhead: 5e-6 };

/// Prepares the libraries and stubs, then places all graphs in a child process that loads them.
pub fn run() -> Result<(), String> {
    let folder = steps::target().join("check-cuda");
    let library = stubs::prepare(&folder)?;
    if std::env::var_os(HAS_STUBS).is_some() {
        return check(&library);
    }
    let program = std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"))?;
    let mut child = Command::new(program);
    steps::run(child.arg("check-cuda").env(HAS_STUBS, "1").env("LD_LIBRARY_PATH", &folder))
}

fn check(library: &Path) -> Result<(), String> {
    placement::capture_log();
    let device = DeviceChoice::Cuda(0);
    let options = RuntimeOptions { device, library: Some(library.to_owned()), ..RuntimeOptions::default() };
    let runtime = Runtime::load(&options).map_err(|e| e.to_string())?;
    println!("ONNX Runtime {}, device {}", runtime.version(), runtime.device());
    negative_control(&runtime)?;
    round_trip(&runtime)?;
    let mut problems = Vec::new();
    for name in ["ffhq-64", "ffhq-1024"] {
        let bundle = Bundle::open(name).map_err(|e| e.to_string())?;
        let best =
            graphs::bundle_graphs(&bundle, Preset::Best, runtime.device()).map_err(|e| e.to_string())?;
        problems.extend(table(&runtime, name, &best)?);
        // The graphs of the published settings that differ.
        let paper =
            graphs::bundle_graphs(&bundle, Preset::Paper, runtime.device()).map_err(|e| e.to_string())?;
        let differs =
            |(a, b): &(&NamedGraph, &NamedGraph)| write::to_bytes(&a.1).ok() != write::to_bytes(&b.1).ok();
        let others = paper.iter().zip(&best).filter(differs).map(|(paper, _)| paper.clone());
        problems.extend(table(&runtime, &format!("{name}, preset paper"), &others.collect::<Vec<_>>())?);
    }
    problems.extend(table(
        &runtime,
        "StyleGAN2, 1024 px, full width, random weights",
        &stylegan2::graphs(1024)?,
    )?);
    gradients::table(&runtime)?;
    if !problems.is_empty() {
        return Err(format!("not every node is placed on the GPU:\n{}", problems.join("\n")));
    }
    println!("\nevery node is placed on the GPU, without copies inside a graph");
    Ok(())
}

/// Checks that a node without a CUDA kernel, and the copies to and from it, are detected.
fn negative_control(runtime: &Runtime) -> Result<(), String> {
    let b = Builder::new();
    let x = b.input("x", &[1, 2, 8, 8]).relu();
    let uneven = ConvAttrs { pads: vec![0, 0, 1, 1], ..ConvAttrs::same(0) };
    b.output("y", x.conv_transpose(b.input("w", &[2, 2, 3, 3]), &uneven, &[]).relu());
    let graph = b.finish().map_err(|e| e.to_string())?;
    let placed = placement::place(runtime, "control", &graph)?;
    match (placed.cuda, &placed.elsewhere[..], placed.copies) {
        (1.., [one], 2..) if one.starts_with("ConvTranspose") => Ok(()),
        _ => Err(format!("unexpected placement of a node without a CUDA kernel: {placed:?}")),
    }
}

/// Checks that values set on device bindings can be shared, survive several runs, and can be read back. Allocators, copies and
/// gani's part of the CUDA graph capture are real; only CUDA itself is stubbed. The results of the graph are not checked.
fn round_trip(runtime: &Runtime) -> Result<(), String> {
    let b = Builder::new();
    b.output("y", b.input("x", &[2, 3]).relu());
    let graph = b.finish().map_err(|e| e.to_string())?;
    let values = [1.0, -2.0, 3.0, -4.0, 5.0, -6.0];
    let read_back = || -> gani_core::Result<_> {
        let session = runtime.compile("round trip", &graph)?;
        let (mut one, mut other) = (session.bind()?, session.bind()?);
        one.set("x", &values)?;
        other.alias_input("x", &one, "x")?;
        one.alias_output("y", "x")?;
        // The second run is captured as a CUDA graph, the third replays it.
        for _ in 0..3 {
            one.run(&Cancel::new())?;
        }
        other.with_data("x", <[f32]>::to_vec)
    };
    match read_back().map_err(|e| e.to_string())? {
        found if found == values => Ok(()),
        found => Err(format!("{values:?} was set on the device, but {found:?} was read back")),
    }
}

/// Places the graphs, prints a table of their placement and cost, and returns the problems found.
fn table(runtime: &Runtime, title: &str, graphs: &[NamedGraph]) -> Result<Vec<String>, String> {
    println!("\n### {title}\n");
    if let Some((_, modules)) = graphs.iter().find(|(name, _)| name == "modules") {
        let count = |selected: fn(&str) -> bool| -> usize {
            let infos = modules.inputs().iter().map(|&v| modules.info(v));
            infos.filter(|i| selected(&i.name)).map(|i| i.shape.iter().product::<usize>()).sum()
        };
        let theta = count(|name| name.starts_with("theta."));
        let psi = count(|name| !name.starts_with("theta.") && !name.starts_with("g."));
        println!("tuned weights θ: {theta} parameters; modules ψ: {psi} parameters\n");
    }
    println!(
        "| graph | nodes | on CUDA | elsewhere | copies | GFLOP | GB moved | GB constants | GB inputs and outputs | GB activations | \
         ms at peak | ms expected |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let mut problems = Vec::new();
    for (name, graph) in graphs {
        let placed = placement::place(runtime, name, graph)?;
        let (counted, [constants, ports]) = (cost::count(graph), memory(graph));
        let giga = |n: u64| n as f64 / 1e9;
        println!(
            "| {name} | {} | {} | {} | {} | {:.2} | {:.3} | {:.3} | {:.3} | {:.3} | {:.2} | {:.2} |",
            graph.nodes().len(),
            placed.cuda,
            placed.elsewhere.len(),
            placed.copies,
            giga(counted.flops),
            giga(counted.bytes),
            giga(constants),
            giga(ports),
            giga(counted.activations),
            1e3 * cost::seconds(graph, &PEAK),
            1e3 * cost::seconds(graph, &EXPECTED),
        );
        let capturable = cuda::make_capturable(graph).map_err(|e| format!("{name}: {e}"))?;
        if !cuda::is_capturable(&capturable) {
            problems.push(format!("{title}, {name}: cannot be captured as a CUDA graph"));
        }
        if placed.copies > 0 || !placed.elsewhere.is_empty() {
            problems.push(format!(
                "{title}, {name}: {}; {} copies {:?}",
                placed.elsewhere.join(", "),
                placed.copies,
                placed.reasons
            ));
        }
    }
    Ok(problems)
}

/// Sizes in bytes of a graph's floating-point constants, and of its inputs and outputs.
fn memory(graph: &Graph) -> [u64; 2] {
    let ports = graph.inputs().iter().chain(graph.outputs().iter().map(|(_, v)| v));
    let elements: usize = ports.map(|&v| graph.info(v).shape.iter().product::<usize>()).sum();
    [4 * cost::count(graph).parameters, 4 * elements as u64]
}
