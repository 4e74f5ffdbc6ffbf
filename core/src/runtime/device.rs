//! Devices, and how a user names one.

use crate::{Error, Result};
use gani_onnx::{Graph, cuda, winograd};
use std::fmt;
use std::str::FromStr;

/// The device that networks run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The CPU, with the runtime's number of threads.
    Cpu,
    /// The CUDA device with this index.
    Cuda(u32),
}

impl Device {
    /// Rewrites `graph` into the form that runs fastest on the device. CPU: large 3×3 convolutions become Winograd convolutions;
    /// on a GPU, cuDNN chooses the algorithm itself. GPU: grouped transposed convolutions are split by group. Gradients are taken
    /// of the result. A lowered graph does not change when it is lowered again.
    pub fn lowered(self, graph: Graph) -> Result<Graph> {
        Ok(match self {
            Device::Cpu => winograd(&graph)?,
            Device::Cuda(_) => cuda::decompose_grouped(&graph)?,
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// The device that the user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// CUDA device 0 if it works, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// This CUDA device. Loading fails if it does not work.
    Cuda(u32),
}

impl FromStr for DeviceChoice {
    type Err = Error;

    /// Parses `auto`, `cpu`, `cuda` or `cuda:N`.
    ///
    /// # Errors
    /// [`Error::Input`] for any other text.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => return Ok(DeviceChoice::Auto),
            "cpu" => return Ok(DeviceChoice::Cpu),
            "cuda" => return Ok(DeviceChoice::Cuda(0)),
            _ => {}
        }
        let index = text.strip_prefix("cuda:").and_then(|n| n.parse::<u8>().ok());
        index.map(|n| DeviceChoice::Cuda(n.into())).ok_or_else(|| {
            Error::Input(format!("unknown device \"{text}\": use auto, cpu, cuda or cuda:N (N from 0)"))
        })
    }
}
