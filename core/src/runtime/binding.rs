//! Inputs and outputs that stay on the device between runs, and pass from one graph to the next without a copy.

use std::fmt;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};

use ndarray::{ArrayD, IxDyn};
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::IoBinding;
use ort::value::Tensor;

use super::cancel::NOT_RECORDED;
use super::{Cancel, Device, RECORDING, Session, shared};
use crate::{Error, Result};

/// A tensor that several bindings may hold. A run locks all of its tensors, so that no other thread changes them.
type Slot = Arc<Mutex<Tensor<f32>>>;

/// The inputs and outputs of one session, kept where it runs.
///
/// ```text
/// modules.alias_input(…)            θ' goes from one graph to the next on the device
/// loss.alias_input("theta", &modules, "theta_tuned")?;
/// loop { modules.run(&cancel)?; loss.run(&cancel)?; let l = loss.with_data("loss", |v| v[0])?; }
/// ```
///
/// On a GPU the second run is recorded as a CUDA graph, and later ones play that: one launch instead of one for each node.
pub struct Binding {
    session: Session,
    io: IoBinding,
    inputs: Vec<Option<Bound>>,
    outputs: Vec<Output>,
    recorded: Recorded,
}

/// Whether the runs of a binding are on record.
enum Recorded {
    /// Nothing ran since its tensors were bound. What runs once is not worth a record.
    Never,
    /// It ran node by node.
    Next,
    /// As the CUDA graph of this id. ONNX Runtime keeps one for each thread.
    As(i32, ThreadId),
}

/// What an input reads: a tensor of this binding, or one that belongs to another.
struct Bound {
    slot: Slot,
    own: bool,
}

/// What an output writes: made when it is first needed, so that one that writes in place costs nothing.
#[derive(Default)]
struct Output {
    slot: OnceLock<Slot>,
    bound: bool,
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Binding {
    /// Tensors are made when they are first needed: inputs when they are set, outputs (zeros) when they are shared or run.
    pub(super) fn new(session: &Session) -> Result<Binding> {
        let _shared = shared();
        let io = session.lock().create_binding().map_err(|e| session.failed(&e))?;
        let inputs = session.inputs().iter().map(|_| None).collect();
        let outputs = session.outputs().iter().map(|_| Output::default()).collect();
        Ok(Binding { session: session.clone(), io, inputs, outputs, recorded: Recorded::Never })
    }

    /// The session it runs.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// How many numbers an input holds.
    pub fn input_len(&self, name: &str) -> Result<usize> {
        let index = self.session.find(self.session.inputs(), "input", name)?;
        Ok(self.session.inputs()[index].len())
    }

    /// Copies `data` (row-major, as many numbers as the input has) into an input.
    ///
    /// Bindings that share this input see the change; an input shared *from* another gets memory of its own again.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown name or a wrong length.
    pub fn set(&mut self, name: &str, data: &[f32]) -> Result<()> {
        let index = self.session.find(self.session.inputs(), "input", name)?;
        let port = &self.session.inputs()[index];
        if port.len() != data.len() {
            let (network, shape) = (self.session.name(), &port.shape);
            return Err(Error::Input(format!(
                "{network}: {name} is {shape:?}, {} numbers were given",
                data.len()
            )));
        }
        let _shared = shared();
        let slot = match &self.inputs[index] {
            Some(Bound { slot, own: true }) => Arc::clone(slot),
            _ => {
                let slot = Arc::new(Mutex::new(new_tensor(&self.session, &port.shape)?));
                self.io.bind_input(name, &*lock(&slot)).map_err(|e| self.session.failed(&e))?;
                self.inputs[index] = Some(Bound { slot: Arc::clone(&slot), own: true });
                self.recorded = Recorded::Never;
                slot
            }
        };
        write(self.session.device(), &mut lock(&slot), &port.shape, data).map_err(|e| self.session.failed(&e))
    }

    /// [`set`](Binding::set) from an array, whose shape is checked as well.
    pub fn set_array(&mut self, name: &str, array: &ArrayD<f32>) -> Result<()> {
        let index = self.session.find(self.session.inputs(), "input", name)?;
        self.session.check_shape(&self.session.inputs()[index], array.shape())?;
        let contiguous = array.as_standard_layout();
        self.set(name, contiguous.as_slice().unwrap_or_default())
    }

    /// Makes the input `input` the very tensor that is `from`'s output (or set input) `port`: what `from` writes is
    /// what this binding's next run reads. `from` may be dropped.
    ///
    /// # Errors
    /// [`Error::Input`] where a name is unknown, shapes or devices differ, or `port` is an input not yet set.
    pub fn alias_input(&mut self, input: &str, from: &Binding, port: &str) -> Result<()> {
        let index = self.session.find(self.session.inputs(), "input", input)?;
        let (slot, shape) = from.slot(port)?;
        self.session.check_shape(&self.session.inputs()[index], shape)?;
        if self.session.device() != from.session.device() {
            return Err(Error::Input(format!(
                "{} runs on {} and {} on {}: they cannot share {port}",
                self.session.name(),
                self.session.device(),
                from.session.name(),
                from.session.device()
            )));
        }
        self.io.bind_input(input, &*lock(slot)).map_err(|e| self.session.failed(&e))?;
        self.inputs[index] = Some(Bound { slot: Arc::clone(slot), own: false });
        self.recorded = Recorded::Never;
        Ok(())
    }

    /// [`share`](Binding::share)s all inputs whose names start with `prefix` with the ports of `from` that are called the same.
    pub fn alias_inputs(&mut self, from: &Binding, prefix: &str) -> Result<()> {
        let wanted: Vec<String> = self.session.inputs().iter().map(|port| port.name.clone()).collect();
        wanted
            .iter()
            .filter(|name| name.starts_with(prefix))
            .try_for_each(|name| self.alias_input(name, from, name))
    }

    /// Makes the output `output` the very tensor that the set input `input` is: a run writes over what it has read. Right where
    /// everything that reads the input comes before what computes the output, or computes it element by element.
    ///
    /// # Errors
    /// [`Error::Input`] where a name is unknown, shapes differ, or `input` is not yet set.
    pub fn alias_output(&mut self, output: &str, input: &str) -> Result<()> {
        let index = self.session.find(self.session.outputs(), "output", output)?;
        let (slot, shape) = self.slot(input)?;
        self.session.check_shape(&self.session.outputs()[index], shape)?;
        let slot = Arc::clone(slot);
        self.outputs[index] = Output { slot: slot.into(), bound: false };
        self.recorded = Recorded::Never;
        Ok(())
    }

    /// Runs the network on what is bound.
    ///
    /// # Errors
    /// [`Error::Input`] where an input was never set, [`Error::Runtime`] where the run fails, [`Error::Cancelled`].
    pub fn run(&mut self, cancel: &Cancel) -> Result<()> {
        let unset = self.session.inputs().iter().zip(&self.inputs).find(|(_, slot)| slot.is_none());
        if let Some((port, _)) = unset {
            return Err(Error::Input(format!("{}: input {} was never set", self.session.name(), port.name)));
        }
        self.bind_outputs()?;
        match self.recorded {
            _ if !self.session.cuda_graph() => self.run_as(NOT_RECORDED, cancel),
            Recorded::Never => {
                let ran = self.run_as(NOT_RECORDED, cancel);
                self.recorded = Recorded::Next;
                ran
            }
            Recorded::As(id, thread) if thread == thread::current().id() => self.run_as(id, cancel),
            Recorded::Next | Recorded::As(..) => {
                let id = self.record(cancel)?;
                self.recorded = Recorded::As(id, thread::current().id());
                self.run_as(id, cancel)
            }
        }
    }

    fn bind_outputs(&mut self) -> Result<()> {
        for index in (0..self.outputs.len()).filter(|&i| !self.outputs[i].bound).collect::<Vec<_>>() {
            let slot = Arc::clone(self.output(index)?);
            let name = self.session.outputs()[index].name.as_str();
            self.io.bind_output(name, lock(&slot).view_mut()).map_err(|e| self.session.failed(&e))?;
            self.outputs[index].bound = true;
        }
        Ok(())
    }

    /// The tensor of an output.
    fn output(&self, index: usize) -> Result<&Slot> {
        let slot = &self.outputs[index].slot;
        if let Some(made) = slot.get() {
            return Ok(made);
        }
        let _shared = shared();
        let tensor = new_tensor(&self.session, &self.session.outputs()[index].shape)?;
        Ok(slot.get_or_init(|| Arc::new(Mutex::new(tensor))))
    }

    /// Records a run; nothing is changed by it that the next one would not change again.
    fn record(&self, cancel: &Cancel) -> Result<i32> {
        static NEXT: AtomicI32 = AtomicI32::new(1);
        cancel.check()?;
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        // While it records, CUDA refuses what other threads ask of it.
        let _alone = RECORDING.write().unwrap_or_else(PoisonError::into_inner);
        // ONNX Runtime runs the graph twice to record it: what is in place must be as before.
        let in_place = |bound: &&Bound| self.written().any(|slot| Arc::ptr_eq(slot, &bound.slot));
        let before = self.inputs.iter().flatten().filter(in_place).map(|bound| {
            let held = lock(&bound.slot);
            Ok((&bound.slot, held.to(AllocationDevice::CPU, 0)?))
        });
        let before = before.collect::<ort::Result<Vec<_>>>().map_err(|e| self.session.failed(&e))?;
        // A flag of its own: a recording that is broken off would leave the device recording.
        self.run_locked(id, &Cancel::new())?;
        let restored = before.iter().try_for_each(|(slot, value)| value.copy_into(&mut *lock(slot)));
        restored.map(|()| id).map_err(|e| self.session.failed(&e))
    }

    fn written(&self) -> impl Iterator<Item = &Slot> {
        self.outputs.iter().filter_map(|output| output.slot.get())
    }

    fn run_as(&self, cuda_graph: i32, cancel: &Cancel) -> Result<()> {
        let _shared = shared();
        self.run_locked(cuda_graph, cancel)
    }

    fn run_locked(&self, cuda_graph: i32, cancel: &Cancel) -> Result<()> {
        // One order for all threads, each tensor once: no dead-lock.
        let mut slots: Vec<&Slot> =
            self.inputs.iter().flatten().map(|bound| &bound.slot).chain(self.written()).collect();
        slots.sort_by_key(|slot| Arc::as_ptr(slot).addr());
        slots.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let _held: Vec<_> = slots.into_iter().map(lock).collect();
        cancel.during(cuda_graph, |options| {
            let mut session = self.session.lock();
            session.run_binding_with_options(&self.io, options).map_err(|e| self.session.failed(&e))?;
            Ok(())
        })
    }

    /// Looks at an output (or a set input) without copying it, where the device is the processor. Row-major.
    ///
    /// Only what is asked for is read: outputs nobody looks at never leave a GPU.
    pub fn with_data<T>(&self, name: &str, look: impl FnOnce(&[f32]) -> T) -> Result<T> {
        let (slot, _) = self.slot(name)?;
        let _shared = shared(); // before the tensor's own lock, as everywhere
        let tensor = lock(slot);
        if self.session.device() == Device::Cpu {
            return Ok(look(tensor.extract_tensor().1));
        }
        let host = tensor.to(AllocationDevice::CPU, 0).map_err(|e| self.session.failed(&e))?;
        Ok(look(host.extract_tensor().1))
    }

    /// A copy of an output (or a set input).
    pub fn get(&self, name: &str) -> Result<ArrayD<f32>> {
        let (_, shape) = self.slot(name)?;
        let data = self.with_data(name, <[f32]>::to_vec)?;
        ArrayD::from_shape_vec(IxDyn(shape), data)
            .map_err(|e| Error::Runtime(format!("{}: {name}: {e}", self.session.name())))
    }

    /// The tensor and shape of an output or a set input.
    fn slot(&self, name: &str) -> Result<(&Slot, &[usize])> {
        if let Some(at) = self.session.outputs().iter().position(|port| port.name == name) {
            return Ok((self.output(at)?, &self.session.outputs()[at].shape));
        }
        if let Some(at) = self.session.inputs().iter().position(|port| port.name == name) {
            let unset = || Error::Input(format!("{}: input {name} was never set", self.session.name()));
            return Ok((&self.inputs[at].as_ref().ok_or_else(unset)?.slot, &self.session.inputs()[at].shape));
        }
        self.session.find(self.session.outputs(), "output", name)?;
        Err(Error::Input(format!("{} has no port \"{name}\"", self.session.name())))
    }
}

fn lock(slot: &Slot) -> MutexGuard<'_, Tensor<f32>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A tensor of zeros where the session runs.
fn new_tensor(session: &Session, shape: &[usize]) -> Result<Tensor<f32>> {
    let tensor = match session.device() {
        Device::Cpu => Tensor::new(&Allocator::default(), shape),
        Device::Cuda(index) => {
            MemoryInfo::new(AllocationDevice::CUDA, index as i32, AllocatorType::Device, MemoryType::Default)
                .and_then(|memory| Allocator::new(&session.memory().lock(), memory))
                .and_then(|allocator| Tensor::new(&allocator, shape))
                .and_then(|mut tensor| {
                    let zeros = vec![0.0; shape.iter().product()];
                    write(session.device(), &mut tensor, shape, &zeros).map(|()| tensor)
                })
        }
    };
    tensor.map_err(|e| session.failed(&e))
}

fn write(device: Device, tensor: &mut Tensor<f32>, shape: &[usize], data: &[f32]) -> ort::Result<()> {
    match device {
        Device::Cpu => {
            tensor.extract_tensor_mut().1.copy_from_slice(data);
            Ok(())
        }
        Device::Cuda(_) => Tensor::from_array((shape, data.to_vec()))?.copy_into(tensor),
    }
}
