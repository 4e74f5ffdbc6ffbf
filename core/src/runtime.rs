//! ONNX Runtime: finding and loading it, choosing the device. The only part of gani that names `ort`.
//!
//! A [`Runtime`] makes [`Session`]s out of ONNX bytes. `Session::run` is the plain way (arrays in, arrays out);
//! a [`Binding`] keeps inputs and outputs on the device between runs and lets one graph's output be another
//! graph's input without a copy, which is how the tuning loop runs.

mod arena;
mod binding;
mod cancel;
mod library;
mod session;

pub use binding::Binding;
pub use cancel::Cancel;
pub use session::{Session, TensorInfo};

use std::fmt;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use ort::environment::{Environment, GlobalThreadPoolOptions};
use ort::ep::{self, ExecutionProvider};
use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use crate::{Error, Result};
use gani_onnx::ConvAttrs;
use gani_onnx::{Builder, Graph, cuda, winograd, write};
use ndarray::{ArrayD, IxDyn};

/// A model of one Identity node: x `[1]` → y.
const PROBE: &[u8] = include_bytes!("runtime/probe.onnx");

/// Target of the `log` records that come from ONNX Runtime. Whoever enables it at `trace` hears where each node of a
/// session was placed.
pub const LOG: &str = "onnxruntime";

/// Where networks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor, with as many threads as the runtime was loaded with.
    Cpu,
    /// The CUDA device with this index.
    Cuda(u32),
}

impl Device {
    /// `graph` as the device computes it fastest: on a processor with large 3×3 convolutions in Winograd's form, which on a GPU
    /// cuDNN chooses by itself; on a GPU without transposed convolutions in groups. Gradients are taken of the result. What is
    /// lowered already stays as it is.
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

/// What the user asked for with `--device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// CUDA device 0 where it works, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// This CUDA device, or an error.
    Cuda(u32),
}

impl FromStr for DeviceChoice {
    type Err = Error;

    /// Reads `auto`, `cpu`, `cuda` or `cuda:N`; anything else is [`Error::Input`].
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => return Ok(DeviceChoice::Auto),
            "cpu" => return Ok(DeviceChoice::Cpu),
            "cuda" => return Ok(DeviceChoice::Cuda(0)),
            _ => {}
        }
        let index = text.strip_prefix("cuda:").and_then(|n| n.parse::<u8>().ok());
        index.map(|n| DeviceChoice::Cuda(n.into())).ok_or_else(|| {
            Error::Input(format!("no device is called \"{text}\": use auto, cpu, cuda or cuda:N (N from 0)"))
        })
    }
}

/// How to load ONNX Runtime. `RuntimeOptions::default()` is right for most.
#[derive(Debug, Clone, Default)]
pub struct RuntimeOptions {
    /// The device wanted.
    pub device: DeviceChoice,
    /// Threads for the processor's part, 0 for all cores. Same threads and seed give the same bytes.
    pub threads: usize,
    /// The library file itself, instead of searching for it.
    pub library: Option<PathBuf>,
}

/// ONNX Runtime, loaded, with the device chosen. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Runtime {
    loaded: Arc<Loaded>,
    device: Device,
    threads: usize,
    /// A session that stands for the memory that sessions share: on a GPU bound tensors are made of it, see [`Binding`].
    memory: Option<Session>,
}

/// The library and its environment, of which a process can have only one.
#[derive(Debug)]
struct Loaded {
    environment: Environment,
    library: PathBuf,
    version: String,
    threads: usize,
}

/// Held to record a CUDA graph: meanwhile no other thread may allocate, copy or run on the GPU. All that does so holds it shared.
static RECORDING: RwLock<()> = RwLock::new(());

fn shared() -> RwLockReadGuard<'static, ()> {
    RECORDING.read().unwrap_or_else(PoisonError::into_inner)
}

static LOADED: Mutex<Option<Arc<Loaded>>> = Mutex::new(None);

impl Runtime {
    /// Finds and loads the ONNX Runtime library and chooses the device.
    ///
    /// Searched in order: `options.library`, `ORT_DYLIB_PATH` (file or folder), the executable's folder, `../lib`
    /// of it, a checkout's `.gani/lib`, the user's data folder's `gani/lib`. Versions 1.23 to 1.28 are accepted;
    /// later ones hold usage reporting that their API cannot turn off, and are accepted only where the
    /// environment has `ORT_DISABLE_TELEMETRY=1`.
    ///
    /// A process loads one library once: a second call reuses it, and asking for another file is an error.
    ///
    /// # Errors
    /// [`Error::Runtime`] where the library is missing, wrong or too old, or CUDA was asked for and does not work.
    pub fn load(options: &RuntimeOptions) -> Result<Runtime> {
        let threads = match options.threads {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
            n => n,
        };
        let loaded = load_once(options.library.as_deref(), threads)?;
        let mut runtime = Runtime { loaded, device: Device::Cpu, threads, memory: None };
        let memory = runtime.session("memory", PROBE)?;
        memory.shrink().map_err(|e| memory.failed(&e))?; // from here on it grows as `arena` says
        runtime.memory = Some(memory);
        match options.device {
            DeviceChoice::Cpu => {}
            DeviceChoice::Cuda(index) => {
                runtime = runtime.with_cuda(index).map_err(|cause| {
                    Error::Runtime(format!(
                        "CUDA device {index} cannot be used: {cause}. Let ORT_DYLIB_PATH name a CUDA build of ONNX \
                         Runtime 1.28 (the library of `onnxruntime-gpu`, with CUDA and cuDNN beside it), or use --device cpu"
                    ))
                })?;
            }
            DeviceChoice::Auto => match runtime.with_cuda(0).and_then(Runtime::self_test) {
                Ok(on_cuda) => runtime = on_cuda,
                Err(cause) => log::debug!("running on the processor, CUDA does not work here: {cause}"),
            },
        }
        Ok(runtime)
    }

    /// The device that sessions run on.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Threads that the processor's part uses.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The library file in use.
    pub fn library(&self) -> &Path {
        &self.loaded.library
    }

    /// The library's version, such as "1.28.0", or "unknown" where the file does not say.
    pub fn version(&self) -> &str {
        &self.loaded.version
    }

    /// [`Device::lowered`] for this runtime's.
    pub fn lowered(&self, graph: Graph) -> Result<Graph> {
        self.device.lowered(graph)
    }

    /// Makes a session of an ONNX model: static shapes, f32 inputs and outputs. `name` is for messages. On a GPU it runs node by
    /// node; graphs of ours [`compile`](Runtime::compile) to faster ones.
    ///
    /// # Errors
    /// [`Error::Model`] where ONNX Runtime refuses the bytes; [`Error::Unsupported`] for other element types
    /// or shapes that are not fixed.
    pub fn session(&self, name: &str, model: &[u8]) -> Result<Session> {
        self.session_of(name, model, None, false)
    }

    /// Makes a session of a graph of ours, the way it runs best.
    ///
    /// On a GPU, its [`Binding`]s are recorded as CUDA graphs. On a processor, ONNX Runtime is not told the sizes of its inputs
    /// ([`write::to_bytes_dynamic`]), which saves a third of a gradient's memory.
    ///
    /// # Errors
    /// [`Error::Model`] where ONNX Runtime refuses the graph.
    pub fn compile(&self, name: &str, graph: &Graph) -> Result<Session> {
        match self.device {
            Device::Cpu => self.session_of(name, &write::to_bytes_dynamic(graph)?, Some(graph), false),
            Device::Cuda(_) => {
                let graph = cuda::make_capturable(graph)?;
                let record = cuda::is_capturable(&graph);
                self.session_of(name, &write::to_bytes(&graph)?, Some(&graph), record)
            }
        }
    }

    /// Of a graph of ours, the graph knows the shapes of its ports; of other models, the model must.
    fn session_of(&self, name: &str, model: &[u8], graph: Option<&Graph>, record: bool) -> Result<Session> {
        let _shared = shared();
        let started = Instant::now();
        let make = |cuda_graph| -> Result<_> {
            let builder = self.builder(cuda_graph);
            let mut builder = builder.map_err(|e| Error::Runtime(format!("{name}: {e}")))?;
            builder.commit_from_memory(model).map_err(|e| {
                Error::Model(format!("{name}: ONNX Runtime {} refuses this network: {e}", self.version()))
            })
        };
        // ONNX Runtime refuses to record a network with a node that is not on the GPU.
        let (session, recorded) = match make(record) {
            Err(cause) if record => {
                log::debug!("{name}: node by node, not as a CUDA graph: {cause}");
                (make(false)?, false)
            }
            made => (made?, record),
        };
        arena::trim();
        log::debug!("{name}: session of {} bytes made in {:.1?}", model.len(), started.elapsed());
        Session::new(name, self.device, session, graph, recorded, self.memory.clone())
    }

    fn builder(&self, cuda_graph: bool) -> ort::Result<SessionBuilder> {
        // Only at its most talkative does it say where each node runs.
        let level = match log::log_enabled!(target: LOG, log::Level::Trace) {
            true => LogLevel::Verbose,
            false => LogLevel::Warning,
        };
        // A planned block for all intermediate results would come on top of what the first run, not yet planned, took.
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
            // TF32 changes the gradient by thousandths; exhaustive search gains a few per cent of a step (docs/cuda.md); the
            // default arena doubles what it takes. Without error_on_failure a failing GPU means silent use of the CPU.
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

    /// This runtime, once it has run a convolution: without cuDNN, a CUDA device makes sessions and fails at the first of those.
    ///
    /// # Errors
    /// [`Error::Runtime`] with the device's own words.
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

    /// This runtime on a CUDA device, where a session can be made there.
    fn with_cuda(&self, index: u32) -> Result<Runtime> {
        if !ep::CUDA::is_available().unwrap_or(false) {
            let library = self.library().display();
            return Err(Error::Runtime(format!("the library {library} was built without CUDA")));
        }
        let mut runtime = Runtime { device: Device::Cuda(index), memory: None, ..self.clone() };
        runtime.memory = Some(runtime.session("device test", PROBE)?);
        Ok(runtime)
    }
}

/// The process's library and environment, made by the first call.
fn load_once(wanted: Option<&Path>, threads: usize) -> Result<Arc<Loaded>> {
    let mut slot = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = slot.as_ref() {
        return match wanted {
            Some(path) if path != loaded.library => Err(Error::Runtime(format!(
                "this process already uses {}, {} cannot be loaded beside it",
                loaded.library.display(),
                path.display()
            ))),
            _ => Ok(Arc::clone(loaded)),
        };
    }
    let found = library::find(wanted)?;
    let environment = environment(&found.path, threads)?;
    let version = found.version.map_or_else(|| "unknown".to_owned(), |v| v.to_string());
    log::info!("ONNX Runtime {version} from {}", found.path.display());
    let loaded = Arc::new(Loaded { environment, library: found.path, version, threads });
    *slot = Some(Arc::clone(&loaded));
    Ok(loaded)
}

/// One thread pool serves every session: pools of their own would spin against each other between runs. None goes from node to
/// node but the caller's thread.
fn environment(library: &Path, threads: usize) -> Result<Environment> {
    let builder = ort::init_from(library).map_err(|e| {
        Error::Runtime(format!(
            "{} cannot be used as ONNX Runtime: {e}. {}",
            library.display(),
            library::how_to_get_it()
        ))
    })?;
    let failed = |e: ort::Error| Error::Runtime(format!("ONNX Runtime in {}: {e}", library.display()));
    let pool = GlobalThreadPoolOptions::default()
        .with_intra_threads(threads)
        .and_then(|pool| pool.with_inter_threads(1))
        .map_err(failed)?;
    let environment = builder
        .with_name("gani")
        .with_telemetry(false)
        .with_global_thread_pool(pool)
        .with_logger(Arc::new(forward_log))
        .build()
        .map_err(failed)?;
    arena::register(&environment).map_err(failed)?;
    Ok(environment)
}

/// ONNX Runtime's log lines become records of the `log` crate; its chatter is at most `debug`.
fn forward_log(level: LogLevel, category: &str, _id: &str, place: &str, message: &str) {
    let level = match level {
        LogLevel::Verbose => log::Level::Trace,
        LogLevel::Info | LogLevel::Warning => log::Level::Debug,
        LogLevel::Error | LogLevel::Fatal => log::Level::Warn,
    };
    log::log!(target: LOG, level, "{category} {place}: {message}");
}

#[cfg(test)]
mod tests;
