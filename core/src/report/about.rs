//! What is installed: versions, device, model, folders. The plug-ins' *About* and `gani doctor` show it.

use crate::bundle::{Bundle, default_name, user_folder};
use crate::inversion::Cache;
use crate::runtime::{Runtime, RuntimeOptions};
use crate::util::paths;
use std::path::Path;

/// A line: what it is about, whether it is usable, and its value, or the cause and the fix.
#[derive(Clone, Debug)]
pub struct Fact {
    /// What it is about, such as `device`.
    pub name: String,
    /// Whether it is usable.
    pub good: bool,
    /// Its value; of an unusable thing, cause and fix.
    pub text: String,
}

impl Fact {
    /// A usable thing with its value, or an error with cause and fix.
    pub fn new(name: impl Into<String>, found: Result<String, String>) -> Fact {
        let good = found.is_ok();
        Fact { name: name.into(), good, text: found.unwrap_or_else(|error| error) }
    }
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.text)
    }
}

/// The versions of gani and ONNX Runtime, the device of `options`, which runs a small convolution, the default model and its license,
/// and the folders of models and cached inversions.
pub fn about(options: &RuntimeOptions) -> Vec<Fact> {
    let folder = |folder: Option<&Path>| {
        folder.map(|folder| folder.display().to_string()).ok_or("none; set HOME".to_string())
    };
    let own_file = paths::own_file().unwrap_or_default();
    let runtime = Runtime::load(options).and_then(Runtime::self_test);
    let onnx_runtime = runtime
        .as_ref()
        .map(|r| format!("{} in {}", r.version(), r.library().display()))
        .map_err(ToString::to_string);
    let mut facts =
        vec![Fact::new("gani", Ok(format!("{} in {}", env!("CARGO_PKG_VERSION"), own_file.display())))];
    facts.push(Fact::new("ONNX Runtime", onnx_runtime));
    if let Ok(runtime) = &runtime {
        facts.push(Fact::new(
            "device",
            Ok(format!("{}, {} CPU threads", runtime.device(), runtime.threads())),
        ));
    }
    match Bundle::open(&default_name()) {
        Ok(bundle) => {
            let manifest = bundle.manifest();
            let model = format!("{} in {}", manifest.title, bundle.folder().display());
            facts.push(Fact::new(format!("model {}", bundle.name()), Ok(model)));
            facts.push(Fact::new("license of the model", Ok(manifest.license.clone())));
        }
        Err(error) => facts.push(Fact::new("model", Err(error.to_string()))),
    }
    facts.push(Fact::new("folder of further models", folder(user_folder().as_deref())));
    facts.push(Fact::new(
        "folder of cached inversions",
        folder(Cache::for_user().as_ref().map(Cache::folder)),
    ));
    facts
}
