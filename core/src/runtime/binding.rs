//! Inputs and outputs that stay on the device between runs and pass from one graph to the next without a copy.

mod run;
mod tensor;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use ndarray::{ArrayD, IxDyn};
use ort::memory::AllocationDevice;
use ort::session::IoBinding;

use super::capture::gpu_access;
use super::{Device, Session};
use crate::{Error, Result};
use tensor::{Input, Output, SharedTensor, copy_from_host, lock, zeros};

/// The inputs and outputs of a session, in the memory of its device.
///
/// ```text
/// modules.alias_input(…)            // θ' passes from one graph to the next on the device
/// loss.alias_input("theta", &modules, "theta_tuned")?;
/// loop { modules.run(&cancel)?; loss.run(&cancel)?; let l = loss.with_data("loss", |v| v[0])?; }
/// ```
///
/// On a GPU, the second run captures a CUDA graph, and later runs replay it: one launch instead of one per node.
pub struct Binding {
    session: Session,
    io: IoBinding,
    inputs: Vec<Option<Input>>,
    outputs: Vec<Output>,
    capture: Capture,
}

/// State of a binding's CUDA graph.
enum Capture {
    /// No run since a tensor was bound. A graph that runs only once is not captured.
    NotRun,
    /// One run, node by node. The next run captures.
    Ready,
    /// Captured under this id, by this thread: ONNX Runtime keeps CUDA graphs per thread.
    Captured(i32, ThreadId),
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Session {
    /// Inputs and outputs that stay on the device between runs. A session may have several bindings.
    pub fn bind(&self) -> Result<Binding> {
        Binding::new(self)
    }
}

impl Binding {
    /// Allocates tensors on first use: inputs when they are set, outputs (zeros) when they are aliased or run.
    fn new(session: &Session) -> Result<Binding> {
        let _access = gpu_access();
        let io = session.lock().create_binding().map_err(|e| session.failed(&e))?;
        let inputs = session.inputs().iter().map(|_| None).collect();
        let outputs = session.outputs().iter().map(|_| Output::default()).collect();
        Ok(Binding { session: session.clone(), io, inputs, outputs, capture: Capture::NotRun })
    }

    /// The session that it runs.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Number of elements of an input.
    pub fn input_len(&self, name: &str) -> Result<usize> {
        let index = self.session.input_index(name)?;
        Ok(self.session.inputs()[index].len())
    }

    /// Copies `data`, row-major and with as many elements as the input, into an input.
    ///
    /// Bindings that alias this input see the change. An input that is an alias gets a tensor of its own.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown name or a wrong length.
    pub fn set(&mut self, name: &str, data: &[f32]) -> Result<()> {
        let index = self.session.input_index(name)?;
        let info = &self.session.inputs()[index];
        if info.len() != data.len() {
            let (network, shape) = (self.session.name(), &info.shape);
            return Err(Error::Input(format!(
                "{network}: {name} has the shape {shape:?}, but {} numbers were given",
                data.len()
            )));
        }
        let _access = gpu_access();
        let tensor = match &self.inputs[index] {
            Some(Input { tensor, owned: true }) => Arc::clone(tensor),
            _ => {
                let tensor = Arc::new(Mutex::new(zeros(&self.session, &info.shape)?));
                self.io.bind_input(name, &*lock(&tensor)).map_err(|e| self.session.failed(&e))?;
                self.inputs[index] = Some(Input { tensor: Arc::clone(&tensor), owned: true });
                self.capture = Capture::NotRun;
                tensor
            }
        };
        copy_from_host(self.session.device(), &mut lock(&tensor), &info.shape, data)
            .map_err(|e| self.session.failed(&e))
    }

    /// [`set`](Binding::set) from an array of the input's shape.
    pub fn set_array(&mut self, name: &str, array: &ArrayD<f32>) -> Result<()> {
        let index = self.session.input_index(name)?;
        self.session.check_shape(&self.session.inputs()[index], array.shape())?;
        let contiguous = array.as_standard_layout();
        self.set(name, contiguous.as_slice().unwrap_or_default())
    }

    /// Makes `input` an alias of the output (or set input) `name` of `from`: the next run of this binding reads what `from` has
    /// written. `from` may be dropped.
    ///
    /// # Errors
    /// [`Error::Input`] if a name is unknown, shapes or devices differ, or `name` is an input that is not set.
    pub fn alias_input(&mut self, input: &str, from: &Binding, name: &str) -> Result<()> {
        let index = self.session.input_index(input)?;
        let (tensor, shape) = from.tensor(name)?;
        self.session.check_shape(&self.session.inputs()[index], shape)?;
        if self.session.device() != from.session.device() {
            return Err(Error::Input(format!(
                "{} runs on {} and {} on {}: they cannot share {name}",
                self.session.name(),
                self.session.device(),
                from.session.name(),
                from.session.device()
            )));
        }
        self.io.bind_input(input, &*lock(tensor)).map_err(|e| self.session.failed(&e))?;
        self.inputs[index] = Some(Input { tensor: Arc::clone(tensor), owned: false });
        self.capture = Capture::NotRun;
        Ok(())
    }

    /// Makes every input whose name starts with `prefix` an alias of the tensor of the same name in `from`, see
    /// [`alias_input`](Binding::alias_input).
    pub fn alias_inputs(&mut self, from: &Binding, prefix: &str) -> Result<()> {
        let names: Vec<String> = self.session.inputs().iter().map(|info| info.name.clone()).collect();
        names
            .iter()
            .filter(|name| name.starts_with(prefix))
            .try_for_each(|name| self.alias_input(name, from, name))
    }

    /// Makes the output `output` an alias of the set input `input`: a run overwrites what it has read. This is correct only if all
    /// nodes that read the input run before the node that computes the output, or if that node works element by element.
    ///
    /// # Errors
    /// [`Error::Input`] if a name is unknown, shapes differ, or `input` is not set.
    pub fn alias_output(&mut self, output: &str, input: &str) -> Result<()> {
        let index = self.session.output_index(output)?;
        let (tensor, shape) = self.tensor(input)?;
        self.session.check_shape(&self.session.outputs()[index], shape)?;
        let tensor = Arc::clone(tensor);
        self.outputs[index] = Output { tensor: tensor.into(), bound: false };
        self.capture = Capture::NotRun;
        Ok(())
    }

    /// The tensor of an output.
    fn output(&self, index: usize) -> Result<&SharedTensor> {
        let tensor = &self.outputs[index].tensor;
        if let Some(allocated) = tensor.get() {
            return Ok(allocated);
        }
        let _access = gpu_access();
        let allocated = zeros(&self.session, &self.session.outputs()[index].shape)?;
        Ok(tensor.get_or_init(|| Arc::new(Mutex::new(allocated))))
    }

    /// Calls `read` with the row-major data of an output (or a set input). No copy on the CPU; on a GPU, only tensors that are read
    /// are copied to host memory.
    pub fn with_data<T>(&self, name: &str, read: impl FnOnce(&[f32]) -> T) -> Result<T> {
        let (tensor, _) = self.tensor(name)?;
        let _access = gpu_access();
        let tensor = lock(tensor);
        if self.session.device() == Device::Cpu {
            return Ok(read(tensor.extract_tensor().1));
        }
        let host = tensor.to(AllocationDevice::CPU, 0).map_err(|e| self.session.failed(&e))?;
        Ok(read(host.extract_tensor().1))
    }

    /// A copy of an output (or a set input).
    pub fn get(&self, name: &str) -> Result<ArrayD<f32>> {
        let (_, shape) = self.tensor(name)?;
        let data = self.with_data(name, <[f32]>::to_vec)?;
        ArrayD::from_shape_vec(IxDyn(shape), data)
            .map_err(|e| Error::Runtime(format!("{}: {name}: {e}", self.session.name())))
    }

    /// The tensor and shape of an output or a set input.
    fn tensor(&self, name: &str) -> Result<(&SharedTensor, &[usize])> {
        if let Some(index) = self.session.outputs().iter().position(|info| info.name == name) {
            return Ok((self.output(index)?, &self.session.outputs()[index].shape));
        }
        if let Some(index) = self.session.inputs().iter().position(|info| info.name == name) {
            let unset = || Error::Input(format!("{}: input {name} was never set", self.session.name()));
            let input = self.inputs[index].as_ref().ok_or_else(unset)?;
            return Ok((&input.tensor, &self.session.inputs()[index].shape));
        }
        self.session.output_index(name)?; // the error lists the outputs
        Err(Error::Input(format!("{} has no input or output \"{name}\"", self.session.name())))
    }
}
