//! Tensors on the device of a session, which several bindings can share.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::value::Tensor;

use crate::Result;
use crate::runtime::{Device, Session};

/// A tensor that several bindings may hold. A run locks all of its tensors, so that no other thread changes them meanwhile.
pub(super) type SharedTensor = Arc<Mutex<Tensor<f32>>>;

/// The tensor of an input: the binding's own, or an alias of another binding's tensor.
pub(super) struct Input {
    pub tensor: SharedTensor,
    pub owned: bool,
}

/// The tensor of an output. Allocated on first use, so that an output that aliases an input needs no memory of its own.
#[derive(Default)]
pub(super) struct Output {
    pub tensor: OnceLock<SharedTensor>,
    /// Whether ONNX Runtime has been given the tensor.
    pub bound: bool,
}

pub(super) fn lock(tensor: &SharedTensor) -> MutexGuard<'_, Tensor<f32>> {
    tensor.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A tensor of zeros on the session's device.
pub(super) fn zeros(session: &Session, shape: &[usize]) -> Result<Tensor<f32>> {
    let tensor = match session.device() {
        Device::Cpu => Tensor::new(&Allocator::default(), shape),
        Device::Cuda(index) => {
            MemoryInfo::new(AllocationDevice::CUDA, index as i32, AllocatorType::Device, MemoryType::Default)
                .and_then(|memory| Allocator::new(&session.memory().lock(), memory))
                .and_then(|allocator| Tensor::new(&allocator, shape))
                .and_then(|mut tensor| {
                    let zeros = vec![0.0; shape.iter().product()];
                    copy_from_host(session.device(), &mut tensor, shape, &zeros).map(|()| tensor)
                })
        }
    };
    tensor.map_err(|e| session.failed(&e))
}

/// Copies row-major data of the tensor's shape into it.
pub(super) fn copy_from_host(
    device: Device,
    tensor: &mut Tensor<f32>,
    shape: &[usize],
    data: &[f32],
) -> ort::Result<()> {
    match device {
        Device::Cpu => {
            tensor.extract_tensor_mut().1.copy_from_slice(data);
            Ok(())
        }
        Device::Cuda(_) => Tensor::from_array((shape, data.to_vec()))?.copy_into(tensor),
    }
}
