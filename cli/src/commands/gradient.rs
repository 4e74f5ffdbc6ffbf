//! `gani gradient NET.onnx --of OUTPUT --wrt INPUT|WEIGHT… -o GRAD.onnx`: the gradient of a network as a file of standard ops.

use crate::args::GradientArgs;
use crate::context::{Context, Failure, Outcome};
use crate::hints::{self, Hint};
use gani_core::util::files::folder_of;
use gani_core::util::npy::NpyArray;
use gani_core::util::work_folder::WorkFolder;
use gani_core::{Error, Result};
use gani_onnx::read::ReadOptions;
use gani_onnx::write::{WriteOptions, to_file};
use gani_onnx::{Graph, Seed, Tensor, Value};
use serde_json::{Value as Json, json};
use std::path::Path;

/// Bytes of an `.npy` file before its numbers, at most.
const MAX_HEADER: usize = 4096;

/// Reads the network, differentiates it and writes the gradient.
pub fn run(context: &Context, args: &GradientArgs) -> Outcome {
    context.may_create(&args.output)?;
    let options = args.shapes.iter().fold(ReadOptions::new(), |o, shape| o.shape(&shape.name, &shape.sizes));
    let net = options.read(&args.net).map_err(Error::from);
    let net = net.hint(hints::input, "give the shapes of inputs with --shapes INPUT=1x3x256x256 …")?;
    let seed = match &context.common.seed.file {
        Some(_) if args.seed_input => {
            return Err(Failure::Usage(
                "--seed and --seed-input exclude each other; give one of them".into(),
            ));
        }
        Some(path) => Seed::Values(read_seed(&net, &args.of, path)?),
        None if args.seed_input => Seed::Input,
        None => Seed::Ones,
    };
    let of: Vec<_> = args.of.iter().map(|name| (name.as_str(), seed.clone())).collect();
    let wrt: Vec<_> = args.wrt.iter().map(String::as_str).collect();
    let gradient = net.gradient(&of, &wrt).map_err(|e| in_file(&args.net, e.into()))?;
    write(&gradient, &args.output)?;
    let inputs: Vec<_> = gradient.inputs().iter().map(|&v| (gradient.info(v).name.as_str(), v)).collect();
    let outputs: Vec<_> = gradient.outputs().iter().map(|(name, v)| (name.as_str(), *v)).collect();
    let list = |values: &[(&str, Value)]| -> Vec<Json> {
        let entry = |(name, v): &(&str, Value)| json!({ "name": name, "shape": gradient.info(*v).shape });
        values.iter().map(entry).collect()
    };
    context.print(
        &json!({
            "gradient": args.output,
            "nodes": gradient.nodes().len(),
            "inputs": list(&inputs),
            "outputs": list(&outputs),
        }),
        &text(&gradient, &args.output, &inputs, &outputs),
    )
}

/// Writes the network, and the file of its weights if they are large. The two appear together.
fn write(gradient: &Graph, path: &Path) -> Result<()> {
    let name = path.file_name().ok_or_else(|| {
        Error::Input(format!("{} is not a file name; give one that ends in .onnx", path.display()))
    })?;
    let work = WorkFolder::new(folder_of(path), &name.to_string_lossy())?;
    to_file(gradient, &work.path().join(name), &WriteOptions::default())?;
    work.commit()
}

fn text(gradient: &Graph, path: &Path, inputs: &[(&str, Value)], outputs: &[(&str, Value)]) -> String {
    let line = |kind: &str, values: &[(&str, Value)]| {
        let entries: Vec<_> =
            values.iter().map(|(name, v)| format!("{name} {:?}", gradient.info(*v).shape)).collect();
        format!("  {kind} {}", entries.join(", "))
    };
    let first = format!("wrote {}: {} nodes", path.display(), gradient.nodes().len());
    [first, line("inputs ", inputs), line("outputs", outputs)].join("\n")
}

/// Adds the file's name to the message.
fn in_file(path: &Path, error: Error) -> Error {
    let named = |text: String| format!("{}: {text}", path.display());
    match error {
        Error::Input(text) => Error::Input(named(text)),
        Error::Unsupported(text) => Error::Unsupported(named(text)),
        Error::Model(text) => Error::Model(named(text)),
        Error::Limits(text) => Error::Limits(named(text)),
        other => other,
    }
}

/// The factors v for the outputs `of`, from an `.npy` file of numbers.
fn read_seed(net: &Graph, of: &[String], path: &Path) -> Result<Tensor> {
    let shape = of.first().map_or(Ok(&[][..]), |name| net.output_shape(name))?;
    let bad = |why: String| {
        let text = "save it with numpy.save as float32 or float64, of the output's shape";
        Error::Input(format!("{why}; {text} {shape:?}"))
    };
    let largest = MAX_HEADER + shape.iter().product::<usize>().saturating_mul(8);
    let array = NpyArray::read_f64(path, largest as u64).map_err(|e| match e {
        Error::Input(why) | Error::Limits(why) => bad(why),
        other => other,
    })?;
    let values: Vec<f64> = array.iter().copied().collect();
    let tensor = Tensor::from_f64(array.shape(), &values, gani_onnx::DType::F64);
    tensor.ok_or_else(|| bad(format!("{}: the sizes do not fit", path.display())))
}
