//! The gradient of an ONNX file, as an ONNX file.

use crate::errors::InputError;
use crate::worker::run;
use gani_core::Error;
use gani_core::util::files::folder_of;
use gani_core::util::work_folder::WorkFolder;
use gani_onnx::read::ReadOptions;
use gani_onnx::write::{WriteOptions, to_file};
use gani_onnx::{DType, Seed, Tensor};
use numpy::PyReadonlyArrayDyn;
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Writes the gradient of a network in ONNX format as an ONNX file of standard ops. Its outputs are those of `of`, then grad_NAME for
/// each name of `wrt`.
///
/// net: the network (.onnx). of: outputs; several are summed. wrt: inputs and weights. output: the file to write; it is replaced if it
/// exists.
/// shapes: sizes of inputs that the file leaves open, such as {"x": (1, 3, 256, 256)}.
/// seed: an array of float64, the factors v of the sum of y * v; by default ones.
/// seed_input: whether the factors are an input of the written file, seed_OUTPUT, instead.
///
/// Raises InputError for an unknown name, UnsupportedError for an op without a gradient, ModelError, FileError.
#[pyfunction]
#[pyo3(signature = (net, of, wrt, output, *, shapes = None, seed = None, seed_input = false))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub fn gradient(
    py: Python<'_>,
    net: PathBuf,
    of: Vec<String>,
    wrt: Vec<String>,
    output: PathBuf,
    shapes: Option<BTreeMap<String, Vec<usize>>>,
    seed: Option<PyReadonlyArrayDyn<'_, f64>>,
    seed_input: bool,
) -> PyResult<()> {
    let seed = match seed {
        Some(_) if seed_input => return Err(InputError::new_err("seed and seed_input exclude each other")),
        Some(seed) => {
            let values: Vec<f64> = seed.as_array().iter().copied().collect();
            let tensor = Tensor::from_f64(seed.as_array().shape(), &values, DType::F64);
            Seed::Values(tensor.ok_or_else(|| InputError::new_err("the seed is too large"))?)
        }
        None if seed_input => Seed::Input,
        None => Seed::Ones,
    };
    run(py, |_| {
        let shapes = shapes.unwrap_or_default();
        let options = shapes.iter().fold(ReadOptions::new(), |o, (name, sizes)| o.shape(name, sizes));
        let of: Vec<_> = of.iter().map(|name| (name.as_str(), seed.clone())).collect();
        let wrt: Vec<_> = wrt.iter().map(String::as_str).collect();
        let gradient = options.read(&net)?.gradient(&of, &wrt)?;
        let name = output.file_name().ok_or_else(|| {
            Error::Input(format!("{} is not a file name; give one that ends in .onnx", output.display()))
        })?;
        // The network, and the file of its weights if they are large, appear together.
        let work = WorkFolder::new(folder_of(&output), &name.to_string_lossy())?;
        to_file(&gradient, &work.path().join(name), &WriteOptions::default())?;
        work.commit()
    })
}
