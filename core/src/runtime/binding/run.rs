//! Runs of a binding, and the capture of its CUDA graph.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use ort::memory::AllocationDevice;

use super::tensor::{Input, SharedTensor, lock};
use super::{Binding, Capture};
use crate::runtime::Cancel;
use crate::runtime::capture::{NOT_CAPTURED, exclusive_gpu_access, gpu_access};
use crate::{Error, Result};

impl Binding {
    /// Runs the network on the bound tensors.
    ///
    /// # Errors
    /// [`Error::Input`] if an input was never set, [`Error::Runtime`] if the run fails, [`Error::Cancelled`].
    pub fn run(&mut self, cancel: &Cancel) -> Result<()> {
        let unset = self.session.inputs().iter().zip(&self.inputs).find(|(_, input)| input.is_none());
        if let Some((info, _)) = unset {
            return Err(Error::Input(format!("{}: input {} was never set", self.session.name(), info.name)));
        }
        self.bind_outputs()?;
        match self.capture {
            _ if !self.session.cuda_graph() => self.run_as(NOT_CAPTURED, cancel),
            Capture::NotRun => {
                let result = self.run_as(NOT_CAPTURED, cancel);
                self.capture = Capture::Ready;
                result
            }
            Capture::Captured(id, thread) if thread == thread::current().id() => self.run_as(id, cancel),
            Capture::Ready | Capture::Captured(..) => {
                let id = self.capture(cancel)?;
                self.capture = Capture::Captured(id, thread::current().id());
                self.run_as(id, cancel)
            }
        }
    }

    fn bind_outputs(&mut self) -> Result<()> {
        for index in (0..self.outputs.len()).filter(|&i| !self.outputs[i].bound).collect::<Vec<_>>() {
            let tensor = Arc::clone(self.output(index)?);
            let name = self.session.outputs()[index].name.as_str();
            self.io.bind_output(name, lock(&tensor).view_mut()).map_err(|e| self.session.failed(&e))?;
            self.outputs[index].bound = true;
        }
        Ok(())
    }

    /// Captures a CUDA graph and returns its id. Leaves all inputs as they were, including those that outputs alias.
    fn capture(&self, cancel: &Cancel) -> Result<i32> {
        static NEXT_ID: AtomicI32 = AtomicI32::new(1);
        cancel.check()?;
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let _access = exclusive_gpu_access();
        // ONNX Runtime runs the graph twice to capture it. Inputs that the runs overwrite are restored.
        let is_overwritten =
            |input: &&Input| self.output_tensors().any(|tensor| Arc::ptr_eq(tensor, &input.tensor));
        let backups = self.inputs.iter().flatten().filter(is_overwritten).map(|input| {
            let held = lock(&input.tensor);
            Ok((&input.tensor, held.to(AllocationDevice::CPU, 0)?))
        });
        let backups = backups.collect::<ort::Result<Vec<_>>>().map_err(|e| self.session.failed(&e))?;
        // A flag of its own: if the capture were stopped halfway, the device would stay in capture mode.
        self.run_locked(id, &Cancel::new())?;
        let restored = backups.iter().try_for_each(|(tensor, value)| value.copy_into(&mut *lock(tensor)));
        restored.map(|()| id).map_err(|e| self.session.failed(&e))
    }

    /// The tensors of the outputs that have one.
    fn output_tensors(&self) -> impl Iterator<Item = &SharedTensor> {
        self.outputs.iter().filter_map(|output| output.tensor.get())
    }

    fn run_as(&self, cuda_graph: i32, cancel: &Cancel) -> Result<()> {
        let _access = gpu_access();
        self.run_locked(cuda_graph, cancel)
    }

    /// Runs while it holds the locks of all tensors. The caller holds the GPU lock.
    fn run_locked(&self, cuda_graph: i32, cancel: &Cancel) -> Result<()> {
        // Each tensor once and in the order of addresses, which is the same for all threads: no deadlock.
        let mut tensors: Vec<&SharedTensor> =
            self.inputs.iter().flatten().map(|input| &input.tensor).chain(self.output_tensors()).collect();
        tensors.sort_by_key(|tensor| Arc::as_ptr(tensor).addr());
        tensors.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let _held: Vec<_> = tensors.into_iter().map(lock).collect();
        cancel.run_cancellable(cuda_graph, |options| {
            let mut session = self.session.lock();
            session.run_binding_with_options(&self.io, options).map_err(|e| self.session.failed(&e))?;
            Ok(())
        })
    }
}
