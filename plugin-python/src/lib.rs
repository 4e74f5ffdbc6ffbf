//! The extension module `gani._gani`: gani-core for Python. No algorithms.
//!
//! - `worker` runs all work on a thread of its own, without Python's lock, and lets Ctrl-C and callbacks cancel it.
//! - `convert` turns arguments into gani-core's types; `errors` turns its errors into exceptions.
//!
//! `python/gani/_gani.pyi` has the types of this module. The comments of its items are Python's documentation.

mod convert;
mod errors;
mod face;
mod gradient;
mod logs;
mod model;
mod photo;
mod records;
mod worker;

use pyo3::prelude::*;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

#[pymodule]
fn _gani(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    errors::register(module)?;
    module.add_class::<model::Model>()?;
    module.add_class::<face::Face>()?;
    module.add_class::<photo::Photo>()?;
    module.add_class::<records::Metrics>()?;
    module.add_class::<records::Direction>()?;
    module.add_class::<records::Progress>()?;
    module.add_function(wrap_pyfunction!(model::models, module)?)?;
    module.add_function(wrap_pyfunction!(gradient::gradient, module)?)?;
    module.add_function(wrap_pyfunction!(set_location, module)?)?;
    module.add_function(wrap_pyfunction!(command_line, module)?)
}

/// Declares where this module is, and the folder of ONNX Runtime, if there is one.
#[pyfunction]
#[pyo3(name = "_set_location", signature = (module, onnx_runtime))]
fn set_location(module: PathBuf, onnx_runtime: Option<PathBuf>) {
    gani_core::util::paths::set_own_file(module);
    if let Some(folder) = onnx_runtime {
        gani_core::util::paths::set_library_folder(folder);
    }
}

/// Runs the program gani with these arguments, its name first, and returns its exit code.
#[pyfunction]
#[pyo3(name = "_command_line")]
fn command_line(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| {
        let code = gani_cli::run(arguments);
        // Python's end does not flush Rust's output.
        let _ = std::io::stdout().flush();
        code
    })
}
