//! Exceptions: one for each kind of gani-core's errors.

use pyo3::PyTypeInfo;
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(
    gani,
    Error,
    PyException,
    "An error of gani. The message says what failed, why, and how to fix it."
);
create_exception!(
    gani,
    InputError,
    Error,
    "Invalid input: a photo without a face, a value out of range, an unknown name."
);
create_exception!(gani, ModelError, Error, "A network, model or inversion file is damaged.");
create_exception!(gani, UnsupportedError, Error, "Valid, but not supported by gani.");
create_exception!(gani, LimitsError, Error, "Larger than gani's limit.");
create_exception!(
    gani,
    RuntimeError,
    Error,
    "A failure of ONNX Runtime or the device, or a missing library."
);
create_exception!(gani, FileError, Error, "A file cannot be read or written.");
create_exception!(
    gani,
    Cancelled,
    Error,
    "The callback returned False. Nothing was changed and nothing was written."
);

/// Adds the exceptions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let types = [
        Error::type_object(py),
        InputError::type_object(py),
        ModelError::type_object(py),
        UnsupportedError::type_object(py),
        LimitsError::type_object(py),
        RuntimeError::type_object(py),
        FileError::type_object(py),
        Cancelled::type_object(py),
    ];
    types.into_iter().try_for_each(|exception| module.add(exception.name()?, exception))
}

/// The exception for an error.
pub fn exception(error: gani_core::Error) -> PyErr {
    use gani_core::Error as Core;
    let text = error.to_string();
    match error {
        Core::Input(_) => InputError::new_err(text),
        Core::Model(_) => ModelError::new_err(text),
        Core::Unsupported(_) => UnsupportedError::new_err(text),
        Core::Limits(_) => LimitsError::new_err(text),
        Core::Runtime(_) => RuntimeError::new_err(text),
        Core::Io { .. } => FileError::new_err(text),
        Core::Cancelled => Cancelled::new_err(text),
        _ => Error::new_err(text),
    }
}
