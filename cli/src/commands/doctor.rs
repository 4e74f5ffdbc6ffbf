//! `gani doctor`: checks this installation and suggests fixes.

use crate::context::{Context, Failure, Outcome};
use gani_core::Error;
use gani_core::bundle::{self, Bundle};
use gani_core::report::about::{Fact, about};
use gani_core::runtime::{DeviceChoice, Runtime, RuntimeOptions};
use gani_core::util::files::check_folder;
use serde_json::json;

/// Prints what is installed, and checks the device, the files of all models and the user's models folder.
pub fn run(context: &Context) -> Outcome {
    let options = |device| RuntimeOptions { device, threads: context.common.threads, library: None };
    let wanted = context.common.device;
    let mut facts = about(&options(wanted));
    if !matches!(wanted, DeviceChoice::Cuda(_)) {
        // A machine without CUDA passes, unless CUDA is asked for.
        let cuda = Runtime::load(&options(DeviceChoice::Cuda(0))).and_then(Runtime::self_test);
        let text = cuda.map_or_else(|e| format!("not used: {e}"), |r| format!("works ({})", r.device()));
        facts.push(Fact::new("CUDA", Ok(text)));
    }
    for (name, opened) in Bundle::list() {
        let verified = opened.and_then(|b| b.verify(|_| {}).map(|()| b));
        let text = verified.map(|b| format!("complete, in {}", b.folder().display()));
        facts.push(Fact::new(format!("files of {name}"), text.map_err(|e| e.to_string())));
    }
    facts.push(Fact::new("models can be fetched", models_folder()));

    let failed = facts.iter().any(|fact| !fact.good);
    let rows: Vec<_> =
        facts.iter().map(|fact| json!({ "check": fact.name, "ok": fact.good, "text": fact.text })).collect();
    let mark = |fact: &Fact| if fact.good { "ok  " } else { "FAIL" };
    let lines: Vec<_> =
        facts.iter().map(|fact| format!("{} {:27} {}", mark(fact), fact.name, fact.text)).collect();
    context.print(&json!({ "ok": !failed, "checks": rows }), &lines.join("\n"))?;
    if failed { Err(Failure::SomeFailed) } else { Ok(()) }
}

/// Checks that the user's models folder can be written.
fn models_folder() -> Result<String, String> {
    let folder = bundle::user_folder().ok_or("cannot determine the user's data folder; set HOME")?;
    let created = std::fs::create_dir_all(&folder).map_err(Error::io("creating", &folder));
    let writable = created.and_then(|()| check_folder(&folder)).map_err(|e| e.to_string());
    writable.map(|()| format!("to {}", folder.display()))
}
