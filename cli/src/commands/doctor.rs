//! `gani doctor`: checks this installation and suggests fixes.

use crate::context::{Context, Failure, Outcome};
use gani_core::Error;
use gani_core::bundle::{self, Bundle};
use gani_core::runtime::{DeviceChoice, Runtime, RuntimeOptions};
use gani_core::util::files::check_folder;
use serde_json::json;

/// The result of one check.
struct Check {
    name: String,
    good: bool,
    text: String,
}

/// Checks ONNX Runtime, the devices, the models and the models folder.
pub fn run(context: &Context) -> Outcome {
    let mut checks = Vec::new();
    let mut check = |name: &str, result: Result<String, String>| {
        let good = result.is_ok();
        let text = result.unwrap_or_else(|e| e);
        checks.push(Check { name: name.into(), good, text });
    };
    let options = |device| RuntimeOptions { device, threads: context.common.threads, library: None };
    let cpu = Runtime::load(&options(DeviceChoice::Cpu));
    check(
        "ONNX Runtime",
        cpu.as_ref()
            .map(|r| format!("{} in {}", r.version(), r.library().display()))
            .map_err(ToString::to_string),
    );
    if let Ok(runtime) = &cpu {
        check("CPU", Ok(format!("{} threads", runtime.threads())));
        // A machine without CUDA passes the check.
        let cuda = Runtime::load(&options(DeviceChoice::Cuda(0))).and_then(Runtime::self_test);
        check(
            "CUDA",
            Ok(cuda.map_or_else(|e| format!("not used: {e}"), |r| format!("works ({})", r.device()))),
        );
    }
    let bundles = Bundle::list();
    if bundles.is_empty() {
        check("models", Err("no model is installed; run `gani models fetch ffhq-1024`".into()));
    }
    for (name, opened) in bundles {
        let result = opened.and_then(|b| b.verify(|_| {}).map(|()| b));
        check(
            &format!("model {name}"),
            result.map(|b| b.folder().display().to_string()).map_err(|e| e.to_string()),
        );
    }
    let writable =
        bundle::user_folder().ok_or_else(|| "cannot determine the user's data folder; set HOME".to_string());
    let writable = writable.and_then(|folder| {
        let created = std::fs::create_dir_all(&folder).map_err(Error::io("creating", &folder));
        created
            .and_then(|()| check_folder(&folder))
            .map(|()| folder.display().to_string())
            .map_err(|e| e.to_string())
    });
    check("models folder", writable);

    let failed = checks.iter().any(|c| !c.good);
    let rows: Vec<_> =
        checks.iter().map(|c| json!({ "check": c.name, "ok": c.good, "text": c.text })).collect();
    let lines: Vec<_> = checks
        .iter()
        .map(|c| format!("{} {:16} {}", if c.good { "ok  " } else { "FAIL" }, c.name, c.text))
        .collect();
    context.print(&json!({ "ok": !failed, "checks": rows }), &lines.join("\n"))?;
    if failed { Err(Failure::SomeFailed) } else { Ok(()) }
}
