//! `cargo xtask check-cuda`: whether every node of every graph that gani runs is placed on the GPU, found out without one.
//!
//! The shipped CUDA provider of ONNX Runtime decides about placement when a session is made, before any kernel runs; with
//! stand-ins for CUDA's libraries it does so on any machine. What its kernels compute, and how fast, stays unknown.

mod placement;
mod standins;
mod stylegan2;

use crate::steps;
use gani_core::bundle::Bundle;
use gani_core::graphs::{self, Named};
use gani_core::preset::Preset;
use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_onnx::expr::ConvAttrs;
use gani_onnx::{Builder, Graph, cost, cuda, write};
use std::path::Path;
use std::process::Command;

/// Set for the process that has the stand-ins on its library path.
const HAS_STANDINS: &str = "GANI_HAS_CUDA_STANDINS";

/// A 24 GB card, RTX 4090, at its peak: f32 without tensor cores, since gani turns TF32 off.
const PEAK: cost::Machine = cost::Machine { flops: 82.6e12, bytes: 1008e9, start: 0.0 };
/// What is expected of it: half of its operations, three quarters of its bandwidth, 5 µs to start a kernel.
const EXPECTED: cost::Machine = cost::Machine { flops: 41e12, bytes: 756e9, start: 5e-6 };

/// Prepares libraries and stand-ins, then places all graphs in a process that finds them.
pub fn run() -> Result<(), String> {
    let folder = steps::target().join("check-cuda");
    let library = standins::prepare(&folder)?;
    if std::env::var_os(HAS_STANDINS).is_some() {
        return check(&library);
    }
    if Bundle::open("ffhq-1024").is_err() {
        steps::cargo(
            &["run", "--package", "gani", "--bin", "gani", "--", "models", "fetch", "ffhq-1024"],
            &[],
        )?;
    }
    let program = std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"))?;
    let mut again = Command::new(program);
    steps::run(again.arg("check-cuda").env(HAS_STANDINS, "1").env("LD_LIBRARY_PATH", &folder))
}

fn check(library: &Path) -> Result<(), String> {
    placement::listen();
    let device = DeviceChoice::Cuda(0);
    let options = RuntimeOptions { device, library: Some(library.to_owned()), ..RuntimeOptions::default() };
    let runtime = Runtime::load(&options).map_err(|e| e.to_string())?;
    println!("ONNX Runtime {}, device {}", runtime.version(), runtime.device());
    control(&runtime)?;
    round_trip(&runtime)?;
    let mut wrong = Vec::new();
    for name in ["ffhq-64", "ffhq-1024"] {
        let bundle = Bundle::open(name).map_err(|e| e.to_string())?;
        let best = graphs::of_bundle(&bundle, Preset::Best, runtime.device()).map_err(|e| e.to_string())?;
        wrong.extend(table(&runtime, name, &best)?);
        // What the published settings run otherwise.
        let paper = graphs::of_bundle(&bundle, Preset::Paper, runtime.device()).map_err(|e| e.to_string())?;
        let differs = |(a, b): &(&Named, &Named)| write::to_bytes(&a.1).ok() != write::to_bytes(&b.1).ok();
        let others = paper.iter().zip(&best).filter(differs).map(|(paper, _)| paper.clone());
        wrong.extend(table(&runtime, &format!("{name}, preset paper"), &others.collect::<Vec<_>>())?);
    }
    wrong.extend(table(
        &runtime,
        "StyleGAN2, 1024 px, full width, random weights",
        &stylegan2::graphs(1024)?,
    )?);
    if !wrong.is_empty() {
        return Err(format!("not everything is placed on the GPU:\n{}", wrong.join("\n")));
    }
    println!("\nevery node is placed on the GPU, and nothing is copied inside a graph");
    Ok(())
}

/// That a node which CUDA has no kernel for is seen, with the copies to it and back: else the tables would say nothing.
fn control(runtime: &Runtime) -> Result<(), String> {
    let b = Builder::new();
    let x = b.input("x", &[1, 2, 8, 8]).relu();
    let uneven = ConvAttrs { pads: vec![0, 0, 1, 1], ..ConvAttrs::same(0) };
    b.output("y", x.conv_transpose(b.input("w", &[2, 2, 3, 3]), &uneven, &[]).relu());
    let graph = b.finish().map_err(|e| e.to_string())?;
    let placed = placement::place(runtime, "control", &graph)?;
    match (placed.cuda, &placed.elsewhere[..], placed.copies) {
        (1.., [one], 2..) if one.starts_with("ConvTranspose") => Ok(()),
        _ => Err(format!("a node that CUDA has no kernel for was placed like this: {placed:?}")),
    }
}

/// That bindings on the device take what is set, share it, run as often as one likes and give it back: allocators and copies are
/// the real ones, and so is all of a recording but what CUDA does. What the graph computes is not looked at.
fn round_trip(runtime: &Runtime) -> Result<(), String> {
    let b = Builder::new();
    b.output("y", b.input("x", &[2, 3]).relu());
    let graph = b.finish().map_err(|e| e.to_string())?;
    let values = [1.0, -2.0, 3.0, -4.0, 5.0, -6.0];
    let back = || -> gani_core::Result<_> {
        let session = runtime.compile("round trip", &graph)?;
        let (mut one, mut other) = (session.bind()?, session.bind()?);
        one.set("x", &values)?;
        other.share("x", &one, "x")?;
        one.in_place("y", "x")?;
        // The second run is recorded, the third plays that.
        for _ in 0..3 {
            one.run(&Cancel::new())?;
        }
        other.with("x", <[f32]>::to_vec)
    };
    match back().map_err(|e| e.to_string())? {
        found if found == values => Ok(()),
        found => Err(format!("{values:?} was set on the device, and {found:?} came back")),
    }
}

/// Places and counts the graphs, prints a table of them, and returns what is not on the GPU.
fn table(runtime: &Runtime, title: &str, graphs: &[Named]) -> Result<Vec<String>, String> {
    println!("\n### {title}\n");
    if let Some((_, modules)) = graphs.iter().find(|(name, _)| name == "modules") {
        let count = |wanted: fn(&str) -> bool| -> usize {
            let infos = modules.inputs().iter().map(|&v| modules.info(v));
            infos.filter(|i| wanted(&i.name)).map(|i| i.shape.iter().product::<usize>()).sum()
        };
        let theta = count(|name| name.starts_with("theta."));
        let psi = count(|name| !name.starts_with("theta.") && !name.starts_with("g."));
        println!("tuned weights θ: {theta} numbers; modules ψ: {psi} numbers\n");
    }
    println!(
        "| graph | nodes | on CUDA | elsewhere | copies | GFLOP | GB moved | GB constants | GB in and out | GB between | \
         ms at peak | ms expected |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let mut wrong = Vec::new();
    for (name, graph) in graphs {
        let placed = placement::place(runtime, name, graph)?;
        let (counted, [constants, ports]) = (cost::of(graph), memory(graph));
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
        let recordable = cuda::recordable(graph).map_err(|e| format!("{name}: {e}"))?;
        if !cuda::may_be_recorded(&recordable) {
            wrong.push(format!("{title}, {name}: it can't be recorded as a CUDA graph"));
        }
        if placed.copies > 0 || !placed.elsewhere.is_empty() {
            wrong.push(format!(
                "{title}, {name}: {}; {} copies {:?}",
                placed.elsewhere.join(", "),
                placed.copies,
                placed.reasons
            ));
        }
    }
    Ok(wrong)
}

/// Bytes of a graph's floating-point constants, and of its inputs and outputs.
fn memory(graph: &Graph) -> [u64; 2] {
    let ports = graph.inputs().iter().chain(graph.outputs().iter().map(|(_, v)| v));
    let elements: usize = ports.map(|&v| graph.info(v).shape.iter().product::<usize>()).sum();
    [4 * cost::of(graph).parameters, 4 * elements as u64]
}
