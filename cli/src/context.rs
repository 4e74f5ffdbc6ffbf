//! State that the commands share: runtime, model, output, cancellation.

use crate::args::Common;
use crate::hints::{self, Hint};
use crate::signals::cancel_on_signals;
use gani_core::model::Model;
use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_core::util::files::folder_of;
use gani_core::util::printable::printable;
use gani_core::util::work_folder::clean;
use gani_core::{Error, bundle};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::OnceLock;

/// The failure of a command.
pub enum Failure {
    /// Some of several inputs failed. Their errors have been printed.
    SomeFailed,
    /// The command failed.
    Error(Error),
    /// The command line is invalid.
    Usage(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error(error)
    }
}

/// The outcome of a command.
pub type Outcome = Result<(), Failure>;

/// The state of the program during one command.
pub struct Context {
    pub common: Common,
    pub cancel: Cancel,
    runtime: OnceLock<Runtime>,
}

impl Context {
    /// Initializes logging and the handler of signals.
    pub fn new(common: Common) -> Result<Context, Failure> {
        let level = match (common.quiet, common.verbose) {
            (true, _) => "error",
            (_, 0) => "warn",
            (_, 1) => "info",
            _ => "debug",
        };
        env_logger::Builder::from_env(env_logger::Env::new().filter_or("GANI_LOG", level))
            .format(|out, record| {
                let style = out.default_level_style(record.level());
                let (level, target) = (record.level(), record.target());
                writeln!(
                    out,
                    "[{style}{level:<5}{style:#} {target}] {}",
                    printable(&record.args().to_string())
                )
            })
            .init();
        let cancel = Cancel::new();
        cancel_on_signals(&cancel)?;
        Ok(Context { common, cancel, runtime: OnceLock::new() })
    }

    /// ONNX Runtime, loaded by the first call, which prints the selected device.
    pub fn runtime(&self) -> Result<&Runtime, Error> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let (device, threads) = (self.common.device, self.common.threads);
        let hint = match device {
            DeviceChoice::Cuda(_) => "use --device cpu, or --device auto to select CUDA only if it works",
            _ => "in a checkout of gani, `cargo xtask setup` installs ONNX Runtime",
        };
        let runtime =
            Runtime::load(&RuntimeOptions { device, threads, library: None }).hint(hints::runtime, hint)?;
        let threads = if runtime.threads() == 1 { "thread" } else { "threads" };
        self.say(&format!(
            "device {} ({} {threads}), ONNX Runtime {}",
            runtime.device(),
            runtime.threads(),
            runtime.version()
        ));
        Ok(self.runtime.get_or_init(|| runtime))
    }

    /// Opens the model of `--model`, else the installed model that a file names, else the default one.
    pub fn model(&self, of_file: Option<&str>) -> Result<Model, Error> {
        let runtime = self.runtime()?.clone();
        let model = match (&self.common.model, of_file) {
            (Some(name), _) => Model::with_runtime(name, runtime).hint(hints::model, REPAIR),
            (None, Some(name)) => {
                let opened = Model::with_runtime_named(name, runtime).hint(hints::model, REPAIR);
                opened.hint(hints::input, "name the model with --model")
            }
            (None, None) => {
                let name = bundle::default_name();
                Model::with_runtime(&name, runtime).hint(hints::model, REPAIR)
            }
        }?;
        log::info!("model {} from {}", model.bundle.name(), model.bundle.folder().display());
        Ok(model)
    }

    /// Prints a line to standard error, unless --quiet is given.
    pub fn say(&self, text: &str) {
        if !self.common.quiet {
            message(text);
        }
    }

    /// Prints the result to standard output: as JSON with --json, else as text.
    pub fn print(&self, json: &impl serde::Serialize, text: &str) -> Outcome {
        let line = match self.common.json {
            true => serde_json::to_string(json)
                .map_err(|e| Error::Runtime(format!("the result cannot be written as JSON: {e}")))?,
            false if text.is_empty() => return Ok(()),
            false => printable(text).into_owned(),
        };
        match writeln!(std::io::stdout().lock(), "{line}") {
            // The reader closed the pipe: `gani inspect FILE | head`.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written.map_err(Error::io("writing to", Path::new("standard output")))?),
        }
    }

    /// Returns an error if `path` exists and --force is not given. Before, finishes or removes what killed processes left beside it.
    pub fn may_create(&self, path: &Path) -> Result<(), Error> {
        clean(folder_of(path));
        self.may_write(path)
    }

    /// Returns an error if `path` exists and --force is not given.
    pub fn may_write(&self, path: &Path) -> Result<(), Error> {
        if path.exists() && !self.common.force {
            return Err(Error::Input(format!(
                "{} already exists; choose another name, or overwrite it with --force",
                path.display()
            )));
        }
        Ok(())
    }
}

/// Prints a line to standard error. A closed pipe or a full disk there does not end the program: the work goes on.
pub fn message(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", printable(text));
}

/// A path as text, for JSON. Bytes that are not UTF-8 become U+FFFD, so that a strange name does not lose the whole report.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Serializes a path as [`text`].
pub fn path_text<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// The hint for a damaged bundle.
pub const REPAIR: &str = "install gani again; restore a bundle of your own from its source (`gani import`, `gani models fetch --force`)";
