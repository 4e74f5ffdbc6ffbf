//! ONNX Runtime: finds and loads the library, chooses the device, runs networks. The only module that names `ort`.
//!
//! A [`Runtime`] creates [`Session`]s from ONNX models. [`Session::run`] takes arrays and returns arrays. A [`Binding`] keeps
//! inputs and outputs on the device between runs, and can use the output of one graph as input of another without a copy. The
//! tuning loop uses bindings.

mod arena;
mod binding;
mod cancel;
mod capture;
mod device;
mod environment;
mod library;
mod session;

pub use binding::Binding;
pub use cancel::Cancel;
pub use device::{Device, DeviceChoice};
pub use environment::LOG;
pub use session::{Session, TensorInfo};

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use ort::ep::{self, ExecutionProvider};
use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use crate::{Error, Result};
use environment::{Loaded, load_once};
use gani_onnx::ConvAttrs;
use gani_onnx::{Builder, Graph, cuda, write};
use ndarray::{ArrayD, IxDyn};

/// A model of one Identity node: x `[1]` → y.
const IDENTITY_MODEL: &[u8] = include_bytes!("runtime/probe.onnx");

/// How to load ONNX Runtime. The default works on most machines.
#[derive(Debug, Clone, Default)]
pub struct RuntimeOptions {
    /// The device.
    pub device: DeviceChoice,
    /// CPU threads; 0 for one per logical CPU. The same number of threads and the same seed give the same bytes.
    pub threads: usize,
    /// The library file. `None` searches for it, see [`Runtime::load`].
    pub library: Option<PathBuf>,
}

/// ONNX Runtime, loaded, with a device. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Runtime {
    loaded: Arc<Loaded>,
    device: Device,
    threads: usize,
    /// Owns the memory that sessions share. On a GPU, the tensors of a [`Binding`] are allocated from it. `None` only during
    /// construction.
    memory: Option<Session>,
}

impl Runtime {
    /// Finds and loads the ONNX Runtime library and chooses the device.
    ///
    /// Search order: `options.library`, `ORT_DYLIB_PATH` (file or folder), the folder of
    /// [`set_library_folder`](crate::util::paths::set_library_folder), the folder of the program or of libgani, `../lib` relative to it,
    /// `.gani/lib` of a source checkout, `gani/lib` in the user's data folder. Versions 1.23 to 1.28 are accepted. Later versions
    /// can report usage over the network and have no API to turn it off; they are accepted only if `ORT_DISABLE_TELEMETRY=1` is
    /// set in the environment.
    ///
    /// A process loads one library. A second call uses the same one, and fails if `options` names a different file.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the library is missing, not ONNX Runtime or of a rejected version, or if CUDA was requested and does
    /// not work.
    pub fn load(options: &RuntimeOptions) -> Result<Runtime> {
        let threads = match options.threads {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
            n => n,
        };
        let loaded = load_once(options.library.as_deref(), threads)?;
        let mut runtime = Runtime { loaded, device: Device::Cpu, threads, memory: None };
        let memory = runtime.session("memory", IDENTITY_MODEL)?;
        memory.shrink().map_err(|e| memory.failed(&e))?; // the region size of `arena` takes effect after the first shrink
        runtime.memory = Some(memory);
        match options.device {
            DeviceChoice::Cpu => {}
            DeviceChoice::Cuda(index) => {
                runtime = runtime.with_cuda(index).map_err(|cause| {
                    Error::Runtime(format!(
                        "CUDA device {index} does not work: {cause}. Set ORT_DYLIB_PATH to a CUDA build of ONNX Runtime 1.28 \
                         (the library of `onnxruntime-gpu`, with CUDA and cuDNN beside it), or use the device cpu"
                    ))
                })?;
            }
            DeviceChoice::Auto => match runtime.with_cuda(0).and_then(Runtime::self_test) {
                Ok(on_cuda) => runtime = on_cuda,
                Err(cause) => log::debug!("running on the CPU because CUDA does not work: {cause}"),
            },
        }
        Ok(runtime)
    }

    /// The device that sessions run on.
    pub fn device(&self) -> Device {
        self.device
    }

    /// CPU threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The loaded library file.
    pub fn library(&self) -> &Path {
        &self.loaded.library
    }

    /// The library's version, such as "1.28.0", or "unknown" if the file does not contain it.
    pub fn version(&self) -> &str {
        &self.loaded.version
    }

    /// [`Device::lowered`] for this runtime's device.
    pub fn lowered(&self, graph: Graph) -> Result<Graph> {
        self.device.lowered(graph)
    }

    /// Creates a session of an ONNX model with static shapes and f32 inputs and outputs. `name` appears in messages. On a GPU it
    /// runs node by node; [`Runtime::compile`] creates faster sessions for graphs that gani built.
    ///
    /// # Errors
    /// [`Error::Model`] if ONNX Runtime rejects the model; [`Error::Unsupported`] for other element types or shapes that are not
    /// fixed.
    pub fn session(&self, name: &str, model: &[u8]) -> Result<Session> {
        self.create_session(name, model, None, false)
    }

    /// Creates a session of a graph that gani built, optimized for the device.
    ///
    /// On a GPU, its [`Binding`]s capture CUDA graphs. On a CPU, the model leaves the sizes of its inputs open
    /// ([`write::to_bytes_dynamic`]), which saves a third of the memory of a gradient.
    ///
    /// # Errors
    /// [`Error::Model`] if ONNX Runtime rejects the graph.
    pub fn compile(&self, name: &str, graph: &Graph) -> Result<Session> {
        match self.device {
            Device::Cpu => self.create_session(name, &write::to_bytes_dynamic(graph)?, Some(graph), false),
            Device::Cuda(_) => {
                let graph = cuda::make_capturable(graph)?;
                let capture = cuda::is_capturable(&graph);
                self.create_session(name, &write::to_bytes(&graph)?, Some(&graph), capture)
            }
        }
    }

    /// `graph`, if given, has the shapes of the inputs. Otherwise the model must have them.
    fn create_session(
        &self,
        name: &str,
        model: &[u8],
        graph: Option<&Graph>,
        capture: bool,
    ) -> Result<Session> {
        let _access = capture::gpu_access();
        let started = Instant::now();
        let create = |cuda_graph| -> Result<_> {
            let builder = self.builder(cuda_graph);
            let mut builder = builder.map_err(|e| Error::Runtime(format!("{name}: {e}")))?;
            builder.commit_from_memory(model).map_err(|e| {
                Error::Model(format!("{name}: ONNX Runtime {} rejects this network: {e}", self.version()))
            })
        };
        // ONNX Runtime does not capture a network that has a node on the CPU.
        let (session, cuda_graph) = match create(capture) {
            Err(cause) if capture => {
                log::debug!("{name}: runs node by node, without a CUDA graph: {cause}");
                (create(false)?, false)
            }
            created => (created?, capture),
        };
        arena::trim();
        log::debug!("{name}: session of {} bytes created in {:.1?}", model.len(), started.elapsed());
        Session::new(name, self.device, session, graph, cuda_graph, self.memory.clone())
    }

    fn builder(&self, cuda_graph: bool) -> ort::Result<SessionBuilder> {
        // ONNX Runtime reports the device of each node at its most verbose level only.
        let level = match log::log_enabled!(target: LOG, log::Level::Trace) {
            true => LogLevel::Verbose,
            false => LogLevel::Warning,
        };
        // With a memory pattern, the block that is planned after the first run adds to what the first run has allocated.
        let mut builder = ort::session::Session::builder(&self.loaded.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_memory_pattern(false)?
            .with_env_allocators()?
            .with_deterministic_compute(true)?
            .with_log_level(level)?;
        if self.threads != self.loaded.threads {
            builder = builder.with_independent_thread_pool()?.with_intra_threads(self.threads)?;
        }
        if let Device::Cuda(index) = self.device {
            // TF32 changes the gradient by about 0.1 %. Exhaustive search makes a step only a few percent faster (docs/cuda.md).
            // The default arena strategy allocates up to twice the memory. Without error_on_failure, a GPU that does not work
            // would be replaced by the CPU without notice.
            let cuda = ep::CUDA::default()
                .with_device_id(index as i32)
                .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
                .with_arena_extend_strategy(ep::ArenaExtendStrategy::SameAsRequested)
                .with_cuda_graph(cuda_graph)
                .with_tf32(false);
            builder = builder.with_execution_providers([cuda.build().error_on_failure()])?;
        }
        Ok(builder)
    }

    /// Runs a small convolution and returns the runtime if that works. Without cuDNN, a CUDA device creates sessions but fails at
    /// the first convolution.
    ///
    /// # Errors
    /// [`Error::Runtime`] with the device's message.
    pub fn self_test(self) -> Result<Runtime> {
        let b = Builder::new();
        let (x, w) = (b.input("x", &[1, 1, 4, 4]), b.input("w", &[1, 1, 3, 3]));
        b.output("y", x.conv(w, &ConvAttrs::same(1)));
        let ones = |shape: [usize; 4]| ArrayD::from_elem(IxDyn(&shape), 1.0);
        let (x, w) = (ones([1, 1, 4, 4]), ones([1, 1, 3, 3]));
        self.compile("device test", &b.finish()?)?
            .run(&[("x", x.view()), ("w", w.view())], &Cancel::new())?;
        Ok(self)
    }

    /// This runtime on a CUDA device.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the library has no CUDA, or no session can be created on the device.
    fn with_cuda(&self, index: u32) -> Result<Runtime> {
        if !ep::CUDA::is_available().unwrap_or(false) {
            let library = self.library().display();
            return Err(Error::Runtime(format!("the library {library} was built without CUDA")));
        }
        let mut runtime = Runtime { device: Device::Cuda(index), memory: None, ..self.clone() };
        runtime.memory = Some(runtime.session("device test", IDENTITY_MODEL)?);
        Ok(runtime)
    }
}

#[cfg(test)]
mod tests;
