//! `cargo xtask check-cuda`: whether every node of every graph that gani runs is placed on the GPU, found out without one.

mod placement;
mod standins;

use crate::steps;
use gani_core::bundle::Bundle;
use gani_core::graphs;
use gani_core::preset::Preset;
use gani_core::runtime::{DeviceChoice, Runtime, RuntimeOptions};
use std::path::Path;
use std::process::Command;

/// What is left to the process that finds the stand-ins on its library path.
const AGAIN: &str = "GANI_CHECK_CUDA";

pub fn run() -> Result<(), String> {
    let folder = steps::target().join("check-cuda");
    let library = standins::prepare(&folder)?;
    if std::env::var_os(AGAIN).is_none() {
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        return steps::run(Command::new(program).arg("check-cuda").env(AGAIN, "1").env("LD_LIBRARY_PATH", &folder));
    }
    check(&library)
}

fn check(library: &Path) -> Result<(), String> {
    placement::listen();
    let options =
        RuntimeOptions { device: DeviceChoice::Cuda(0), library: Some(library.to_owned()), threads: 2 };
    let runtime = Runtime::load(&options).map_err(|e| e.to_string())?;
    for name in ["ffhq-64", "ffhq-1024"] {
        let bundle = Bundle::open(name).map_err(|e| e.to_string())?;
        let domain = bundle.domain().map_err(|e| e.to_string())?;
        let settings = Preset::Best.settings(domain.weights, domain.iterations);
        for (graph_name, graph) in graphs::of_bundle(&bundle, &settings.tune.weights, settings.tune.module).map_err(|e| e.to_string())? {
            let bytes = gani_onnx::write::to_bytes(&graph).map_err(|e| e.to_string())?;
            println!("{name} {graph_name} {:?}", placement::place(&runtime, &graph_name, &bytes));
        }
    }
    Ok(())
}
