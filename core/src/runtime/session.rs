//! A network that is ready to run. Checks names and shapes.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gani_onnx::Graph;
use ndarray::{ArrayD, ArrayViewD};
use ort::session::RunOptions;
use ort::value::{TensorElementType, TensorRef, ValueType};

use super::capture::{NOT_CAPTURED, gpu_access};
use super::{Cancel, Device};
use crate::{Error, Result};

/// An input or output of a network: f32, with a fixed shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name in the graph.
    pub name: String,
    /// Shape; empty for a scalar.
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether an axis has size 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A network loaded on the runtime's device. Clones share it. Runs of one session exclude each other.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    name: String,
    device: Device,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    session: Mutex<ort::session::Session>,
    /// Whether bindings capture their run as a CUDA graph.
    cuda_graph: bool,
    memory: Option<Session>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("name", &self.0.name)
            .field("device", &self.0.device)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    /// Returns the unused memory of the CPU arena to the system.
    fn drop(&mut self) {
        let memory = self.memory.as_ref().filter(|_| self.device == Device::Cpu);
        if let Some(Err(cause)) = memory.map(Session::shrink) {
            log::debug!("{}: its memory could not be returned to the system: {cause}", self.name);
        }
    }
}

impl Session {
    pub(super) fn new(
        name: &str,
        device: Device,
        session: ort::session::Session,
        graph: Option<&Graph>,
        cuda_graph: bool,
        memory: Option<Session>,
    ) -> Result<Session> {
        let infos = |outlets: &[ort::value::Outlet]| -> Result<Vec<TensorInfo>> {
            outlets.iter().map(|outlet| tensor_info(name, outlet)).collect()
        };
        // A model from `write::to_bytes_dynamic` does not contain the sizes of its inputs.
        let inputs = match graph {
            Some(graph) => {
                let values = graph.inputs().iter().map(|&v| graph.info(v));
                values.map(|i| TensorInfo { name: i.name.clone(), shape: i.shape.clone() }).collect()
            }
            None => infos(session.inputs())?,
        };
        let outputs = infos(session.outputs())?;
        Ok(Session(Arc::new(Inner {
            name: name.into(),
            device,
            inputs,
            outputs,
            session: Mutex::new(session),
            cuda_graph,
            memory,
        })))
    }

    /// Name for messages.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Inputs in the graph's order.
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.0.inputs
    }

    /// Outputs in the graph's order.
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.0.outputs
    }

    /// Runs once and returns copies of all outputs in the graph's order. `inputs` must contain every input, by name.
    ///
    /// # Errors
    /// [`Error::Input`] for a missing or unknown input or a wrong shape, [`Error::Runtime`] if the run fails,
    /// [`Error::Cancelled`].
    pub fn run(&self, inputs: &[(&str, ArrayViewD<'_, f32>)], cancel: &Cancel) -> Result<Vec<ArrayD<f32>>> {
        for info in self.inputs() {
            if !inputs.iter().any(|(name, _)| *name == info.name) {
                return Err(Error::Input(format!(
                    "{}: input {} {:?} was not given",
                    self.name(),
                    info.name,
                    info.shape
                )));
            }
        }
        for (name, array) in inputs {
            let index = self.input_index(name)?;
            self.check_shape(&self.inputs()[index], array.shape())?;
        }
        let contiguous: Vec<_> =
            inputs.iter().map(|(name, array)| (*name, array.as_standard_layout())).collect();
        // A TensorRef borrows memory for this run only. Cloning or binding one deadlocks in ort 2.0.0-rc.15.
        let tensors = contiguous
            .iter()
            .map(|(name, array)| Ok((*name, TensorRef::from_array_view(array)?)))
            .collect::<ort::Result<Vec<_>>>()
            .map_err(|e| self.failed(&e))?;
        let _access = gpu_access();
        cancel.run_cancellable(NOT_CAPTURED, |options| {
            let mut session = self.lock();
            let outputs = session.run_with_options(tensors, options).map_err(|e| self.failed(&e))?;
            outputs
                .values()
                .map(|value| Ok(value.try_extract_array::<f32>()?.to_owned()))
                .collect::<ort::Result<Vec<_>>>()
                .map_err(|e| self.failed(&e))
        })
    }

    pub(super) fn device(&self) -> Device {
        self.0.device
    }

    pub(super) fn cuda_graph(&self) -> bool {
        self.0.cuda_graph
    }

    /// The session that owns the GPU memory of bindings.
    pub(super) fn memory(&self) -> &Session {
        self.0.memory.as_ref().unwrap_or(self)
    }

    /// Runs once on a single number, and shrinks the shared CPU arena after the run. For the identity model only.
    pub(super) fn shrink(&self) -> ort::Result<()> {
        let mut options = RunOptions::new()?;
        options.set("memory.enable_memory_arena_shrinkage", "cpu:0")?;
        let x = TensorRef::from_array_view(([1usize], &[0.0f32][..]))?;
        self.lock().run_with_options(ort::inputs![x], &options).map(drop)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ort::session::Session> {
        self.0.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn failed(&self, error: &ort::Error) -> Error {
        Error::Runtime(format!("{} on {}: {error}", self.name(), self.0.device))
    }

    /// Index of the input `name`.
    pub(super) fn input_index(&self, name: &str) -> Result<usize> {
        self.index(self.inputs(), "input", name)
    }

    /// Index of the output `name`.
    pub(super) fn output_index(&self, name: &str) -> Result<usize> {
        self.index(self.outputs(), "output", name)
    }

    fn index(&self, infos: &[TensorInfo], kind: &str, name: &str) -> Result<usize> {
        infos.iter().position(|info| info.name == name).ok_or_else(|| {
            let known: Vec<_> = infos.iter().take(20).map(|info| info.name.as_str()).collect();
            Error::Input(format!("{} has no {kind} \"{name}\"; it has {}", self.name(), known.join(", ")))
        })
    }

    pub(super) fn check_shape(&self, info: &TensorInfo, shape: &[usize]) -> Result<()> {
        if info.shape == shape {
            return Ok(());
        }
        Err(Error::Input(format!(
            "{}: {} has the shape {:?}, but {shape:?} was given",
            self.name(),
            info.name,
            info.shape
        )))
    }
}

fn tensor_info(network: &str, outlet: &ort::value::Outlet) -> Result<TensorInfo> {
    let name = outlet.name().to_owned();
    let ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } = outlet.dtype() else {
        return Err(Error::Unsupported(format!(
            "{network}: {name} is {}; gani runs networks with f32 inputs and outputs",
            outlet.dtype()
        )));
    };
    let shape: Option<Vec<usize>> = shape.iter().map(|&size| usize::try_from(size).ok()).collect();
    shape.map(|shape| TensorInfo { name: name.clone(), shape }).ok_or_else(|| {
        Error::Unsupported(format!("{network}: the shape of {name} is not fixed; export it with fixed sizes"))
    })
}
