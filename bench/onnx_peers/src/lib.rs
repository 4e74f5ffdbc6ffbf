//! The protocol between `onnx_gradients.py` and the programs that run candle and tract.
//!
//! A job is one line: the model's path, the folder for results, then for each array KIND, name, element type, shape and path
//! of its bytes, separated by U+001F; the words are separated by tabs. KIND is `feed`, `wrt` (a feed to differentiate by) or
//! `seed` (the factors v of an output). The answer is `ok` and for each result name, shape and path of its f64s, or
//! `refused` and the reason.

use std::io::BufRead;
use std::path::PathBuf;

/// An array of a job.
pub struct Array {
    pub kind: String,
    pub name: String,
    /// As NumPy names it: `float32`, `int64`, `bool`.
    pub dtype: String,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// A network to run.
pub struct Job {
    pub model: PathBuf,
    folder: PathBuf,
    pub arrays: Vec<Array>,
}

/// A result: name, shape and values.
pub type Output = (String, Vec<usize>, Vec<f64>);

fn parse(line: &str) -> Option<Job> {
    let mut words = line.split('\t');
    let (model, folder) = (words.next()?.into(), words.next()?.into());
    let array = |word: &str| {
        let [kind, name, dtype, shape, path] = word.split('\u{1f}').collect::<Vec<_>>().try_into().ok()?;
        let shape = shape.split('x').filter(|s| !s.is_empty()).map(|s| s.parse().ok()).collect::<Option<_>>()?;
        let bytes = std::fs::read(path).ok()?;
        Some(Array { kind: kind.into(), name: name.into(), dtype: dtype.into(), shape, bytes })
    };
    Some(Job { model, folder, arrays: words.map(array).collect::<Option<_>>()? })
}

fn answer(line: &str, run: fn(&Job) -> Result<Vec<Output>, String>) -> Result<String, String> {
    let job = parse(line).ok_or("a malformed job")?;
    let outputs = std::panic::catch_unwind(|| run(&job)).unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        Err(format!("panic: {}", text.or_else(|| cause.downcast_ref::<&str>().map(|t| t.to_string())).unwrap_or_default()))
    })?;
    let mut words = vec!["ok".to_string()];
    for (i, (name, shape, values)) in outputs.into_iter().enumerate() {
        let path = job.folder.join(format!("result{i}"));
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(&path, bytes).map_err(|e| e.to_string())?;
        let shape: Vec<_> = shape.iter().map(usize::to_string).collect();
        words.push(format!("{name}\u{1f}{}\u{1f}{}", shape.join("x"), path.display()));
    }
    Ok(words.join("\t"))
}

/// Answers jobs from the standard input until it ends.
pub fn serve(run: fn(&Job) -> Result<Vec<Output>, String>) {
    std::panic::set_hook(Box::new(|_| {}));
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match answer(&line, run) {
            Ok(text) => println!("{text}"),
            Err(e) => println!("refused\t{}", e.replace(['\n', '\t'], " ")),
        }
    }
}
