//! The gradients of single ops: ONNX's node tests in `tests/fixtures/onnx_nodes.npz`, one for each op.

use super::placement;
use gani_core::runtime::Runtime;
use gani_onnx::read::ReadOptions;
use gani_onnx::{Graph, Seed};
use ndarray::{ArrayD, Ix1, OwnedRepr};
use ndarray_npy::NpzReader;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use xtask::steps;

/// A node test: the model, and its inputs and outputs with their shapes.
#[derive(Default)]
struct Case {
    model: Vec<u8>,
    inputs: Vec<(String, Vec<usize>)>,
    outputs: Vec<String>,
}

/// Places the gradient of each op, and prints the ops that have nodes without a CUDA kernel: those of the op itself, and those
/// that only its gradient has.
pub fn table(runtime: &Runtime) -> Result<(), String> {
    let cases = cases()?;
    println!("\n### Gradients of {} ops\n", cases.len());
    println!("| op | not on CUDA in the op | not on CUDA in its gradient only |");
    println!("|---|---|---|");
    let mut complete = 0;
    for (name, case) in &cases {
        let (forward, gradient) = graphs(name, case).map_err(|e| format!("{name}: {e}"))?;
        let own = elsewhere(runtime, name, &forward)?;
        let added = &elsewhere(runtime, name, &gradient)? - &own;
        let list = |ops: &BTreeSet<String>| ops.iter().cloned().collect::<Vec<_>>().join(", ");
        match own.is_empty() && added.is_empty() {
            true => complete += 1,
            false => println!("| {name} | {} | {} |", list(&own), list(&added)),
        }
    }
    println!("\n{complete} of {} gradients are placed completely", cases.len());
    Ok(())
}

/// The ops of a graph that are not on the GPU.
fn elsewhere(runtime: &Runtime, name: &str, graph: &Graph) -> Result<BTreeSet<String>, String> {
    let placed = placement::place(runtime, name, graph)?;
    Ok(match placed.cuda {
        // ONNX Runtime lists nodes only if there are several providers.
        0 => graph.nodes().iter().map(|node| node.op.clone()).collect(),
        _ => placed.elsewhere.iter().filter_map(|text| Some(text.split_once(" on ")?.0.into())).collect(),
    })
}

/// The op, and its gradient with respect to all inputs.
fn graphs(name: &str, case: &Case) -> gani_onnx::Result<(Graph, Graph)> {
    let options =
        case.inputs.iter().fold(ReadOptions::new(), |options, (input, shape)| options.shape(input, shape));
    let net = options.read_bytes(name, case.model.clone(), None)?;
    let of: Vec<_> = case.outputs.iter().map(|output| (output.as_str(), Seed::Input)).collect();
    let wrt: Vec<_> = case.inputs.iter().map(|(input, _)| input.as_str()).collect();
    let gradient = net.gradient(&of, &wrt)?;
    Ok((net, gradient))
}

fn cases() -> Result<BTreeMap<String, Case>, String> {
    let path = steps::root().join("tests/fixtures/onnx_nodes.npz");
    let failed = |e: &dyn std::fmt::Display| format!("cannot read {}: {e}", path.display());
    let file = File::open(&path).map_err(|e| failed(&e))?;
    let mut file = NpzReader::new(file).map_err(|e| failed(&e))?;
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for key in file.names().map_err(|e| failed(&e))? {
        let (name, part) = key.trim_end_matches(".npy").split_once('|').ok_or_else(|| failed(&key))?;
        let case = cases.entry(name.into()).or_default();
        match part.split_once(' ') {
            None => {
                let bytes = file.by_name::<OwnedRepr<u8>, Ix1>(&key).map_err(|e| failed(&e))?;
                case.model = bytes.to_vec();
            }
            Some(("x", input)) => {
                let array: ArrayD<f32> = file.by_name(&key).map_err(|e| failed(&e))?;
                case.inputs.push((input.into(), array.shape().to_vec()));
            }
            Some(("y", output)) => case.outputs.push(output.into()),
            Some(_) => {}
        }
    }
    Ok(cases)
}
