//! A network ready to run: names and shapes checked, arrays in and out.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gani_onnx::Graph;
use ndarray::{ArrayD, ArrayViewD};
use ort::session::RunOptions;
use ort::value::{TensorElementType, TensorRef, ValueType};

use super::cancel::NOT_RECORDED;
use super::{Binding, Cancel, Device, shared};
use crate::{Error, Result};

/// One input or output of a network: f32, of this fixed shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// The name in the graph.
    pub name: String,
    /// The sizes of its axes; empty for a scalar.
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether an axis has size 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A network loaded for the runtime's device. Clones share it; runs of one session take turns.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    name: String,
    device: Device,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    session: Mutex<ort::session::Session>,
    /// Whether a binding may record its run as a CUDA graph.
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
    /// Gives back what the arena on a processor holds and nobody uses.
    fn drop(&mut self) {
        let memory = self.memory.as_ref().filter(|_| self.device == Device::Cpu);
        if let Some(Err(cause)) = memory.map(Session::shrink) {
            log::debug!("{}: its memory stays with the process: {cause}", self.name);
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
        let ports = |outlets: &[ort::value::Outlet]| -> Result<Vec<TensorInfo>> {
            outlets.iter().map(|outlet| port(name, outlet)).collect()
        };
        // Of a graph of ours, ONNX Runtime does not know the sizes of the inputs.
        let inputs = match graph {
            Some(graph) => {
                let infos = graph.inputs().iter().map(|&v| graph.info(v));
                infos.map(|i| TensorInfo { name: i.name.clone(), shape: i.shape.clone() }).collect()
            }
            None => ports(session.inputs())?,
        };
        let outputs = ports(session.outputs())?;
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

    /// The name given when it was made.
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

    /// Runs once and copies every output out, in the graph's order. Every input must be given, by name.
    ///
    /// # Errors
    /// [`Error::Input`] for a missing or unknown input or a wrong shape, [`Error::Runtime`] where the run fails,
    /// [`Error::Cancelled`].
    pub fn run(&self, inputs: &[(&str, ArrayViewD<'_, f32>)], cancel: &Cancel) -> Result<Vec<ArrayD<f32>>> {
        for port in self.inputs() {
            if !inputs.iter().any(|(name, _)| *name == port.name) {
                return Err(Error::Input(format!(
                    "{}: input {} {:?} was not given",
                    self.name(),
                    port.name,
                    port.shape
                )));
            }
        }
        for (name, array) in inputs {
            let port = self.find(self.inputs(), "input", name)?;
            self.check_shape(&self.inputs()[port], array.shape())?;
        }
        let contiguous: Vec<_> =
            inputs.iter().map(|(name, array)| (*name, array.as_standard_layout())).collect();
        // A TensorRef only lends memory to this one run: rc.15 dead-locks where one is cloned or bound.
        let tensors = contiguous
            .iter()
            .map(|(name, array)| Ok((*name, TensorRef::from_array_view(array)?)))
            .collect::<ort::Result<Vec<_>>>()
            .map_err(|e| self.failed(&e))?;
        let _shared = shared();
        cancel.during(NOT_RECORDED, |options| {
            let mut session = self.lock();
            let outputs = session.run_with_options(tensors, options).map_err(|e| self.failed(&e))?;
            outputs
                .values()
                .map(|value| Ok(value.try_extract_array::<f32>()?.to_owned()))
                .collect::<ort::Result<Vec<_>>>()
                .map_err(|e| self.failed(&e))
        })
    }

    /// Inputs and outputs that stay on the device between runs. Several bindings of one session may exist.
    pub fn bind(&self) -> Result<Binding> {
        Binding::new(self)
    }

    pub(super) fn device(&self) -> Device {
        self.0.device
    }

    pub(super) fn cuda_graph(&self) -> bool {
        self.0.cuda_graph
    }

    /// The session that device memory for bindings comes from, on a GPU.
    pub(super) fn memory(&self) -> &Session {
        self.0.memory.as_ref().unwrap_or(self)
    }

    /// Runs, and shrinks the arena that it shares.
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

    /// The index of the port called `name`.
    pub(super) fn find(&self, ports: &[TensorInfo], kind: &str, name: &str) -> Result<usize> {
        ports.iter().position(|port| port.name == name).ok_or_else(|| {
            let known: Vec<_> = ports.iter().take(20).map(|port| port.name.as_str()).collect();
            Error::Input(format!("{} has no {kind} \"{name}\", it has {}", self.name(), known.join(", ")))
        })
    }

    pub(super) fn check_shape(&self, port: &TensorInfo, shape: &[usize]) -> Result<()> {
        if port.shape == shape {
            return Ok(());
        }
        Err(Error::Input(format!("{}: {} is {:?}, {shape:?} was given", self.name(), port.name, port.shape)))
    }
}

fn port(network: &str, outlet: &ort::value::Outlet) -> Result<TensorInfo> {
    let name = outlet.name().to_owned();
    let ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } = outlet.dtype() else {
        return Err(Error::Unsupported(format!(
            "{network}: {name} is {}, gani runs networks with f32 inputs and outputs",
            outlet.dtype()
        )));
    };
    let shape: Option<Vec<usize>> = shape.iter().map(|&size| usize::try_from(size).ok()).collect();
    shape.map(|shape| TensorInfo { name: name.clone(), shape }).ok_or_else(|| {
        Error::Unsupported(format!("{network}: the shape of {name} is not fixed; export it with fixed sizes"))
    })
}
