//! Writes the gradient of an `.onnx` file as an `.onnx` file.
//!
//! ```text
//! gradient NET.onnx GRAD.onnx OUTPUT[,OUTPUT…] INPUT|WEIGHT[,…] [NAME=1x3x256x256 …]
//! gradient --jobs < LINES      many files: the same words on each line, separated by tabs
//! ```
//!
//! The seeds are inputs of the result, `seed_OUTPUT`. In the second form, names in a word are separated by U+001F instead
//! of commas, and each line is answered by `ok`, or by `refused`, `panic`, a tab and the reason.

use gani_onnx::read::ReadOptions;
use gani_onnx::{Error, Result, Seed, write};
use std::io::BufRead;
use std::path::Path;

fn gradient(words: &[&str], separator: char) -> Result<()> {
    let [net, out, of, wrt, shapes @ ..] = words else {
        return Err(Error::Input(
            "usage: gradient NET.onnx GRAD.onnx OUTPUTS INPUTS [NAME=1x3x256x256 …]".into(),
        ));
    };
    let mut options = ReadOptions::new();
    for text in shapes {
        let shape = text.rsplit_once('=').and_then(|(name, sizes)| {
            let sizes: Option<Vec<usize>> =
                sizes.split('x').filter(|s| !s.is_empty()).map(|s| s.parse().ok()).collect();
            Some((name, sizes?))
        });
        let (name, sizes) = shape.ok_or_else(|| Error::Input(format!("`{text}` is not NAME=1x3x256x256")))?;
        options = options.shape(name, &sizes);
    }
    let graph = options.read(Path::new(net))?;
    let of: Vec<_> = of.split(separator).map(|name| (name, Seed::Input)).collect();
    let gradient = graph.gradient(&of, &wrt.split(separator).collect::<Vec<_>>())?;
    write::to_file(&gradient, Path::new(out), &write::WriteOptions::default())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_none_or(|a| a != "--jobs") {
        return gradient(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), ',');
    }
    std::panic::set_hook(Box::new(|_| {}));
    for line in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
        let words: Vec<&str> = line.split('\t').collect();
        match std::panic::catch_unwind(|| gradient(&words, '\u{1f}')) {
            Ok(Ok(())) => println!("ok"),
            Ok(Err(e)) => println!("refused\t{}", e.to_string().replace(['\n', '\t'], " ")),
            Err(cause) => {
                let text = cause.downcast_ref::<String>().cloned();
                let text = text.or_else(|| cause.downcast_ref::<&str>().map(|t| t.to_string()));
                println!("panic\t{}", text.unwrap_or_default().replace(['\n', '\t'], " "));
            }
        }
    }
    Ok(())
}
