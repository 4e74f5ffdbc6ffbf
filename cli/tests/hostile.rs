//! Damaged and hostile files on the command line: refused in words, at once, and within little memory.
#![cfg(target_os = "linux")]

use ndarray::{Array1, Array2, aview1};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Runs gani with at most 4 GB of address space, of which ONNX Runtime reserves a part.
fn run(args: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 4000000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_gani")]);
    command.args(["--device", "cpu", "--threads", "1"]).args(args).output().unwrap()
}

fn fails(args: &[&str]) -> String {
    let started = Instant::now();
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{args:?} printed: {text}");
    assert!(started.elapsed() < Duration::from_secs(20), "{args:?} took {:?}", started.elapsed());
    text
}

fn works(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?} printed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn latents_that_are_damaged_hostile_or_not_finite_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let hostile = |name: &str| root().join("tests/data/hostile").join(name).to_str().unwrap().to_string();
    ndarray_npy::write_npy(at("nan.npy"), &aview1(&[f32::NAN; 512])).unwrap();
    ndarray_npy::write_npy(at("inf.npy"), &aview1(&[f32::INFINITY; 512])).unwrap();
    ndarray_npy::write_npy(at("short.npy"), &aview1(&[0.0f32; 100])).unwrap();
    assert!(Command::new("mkfifo").arg(at("fifo.npy")).status().unwrap().success());
    for (file, expected) in [
        (hostile("nest40.npy"), "header"),
        (hostile("shape_huge3.npy"), "does not match"),
        (at("nan.npy"), "not a finite number"),
        (at("inf.npy"), "not a finite number"),
        (at("short.npy"), "[100]"),
        (at("fifo.npy"), "a device or a pipe"),
        ("/dev/zero".into(), "a device or a pipe"),
    ] {
        let out = at("out.png");
        let text = fails(&["--model", "ffhq-64", "generate", "--latent", &file, "-o", &out]);
        assert!(text.contains(expected) && text.contains(&file), "{text}");
        assert!(!Path::new(&out).exists(), "{file}: an image was written");
    }
    // Any numbers are a latent.
    ndarray_npy::write_npy(at("f64.npy"), &Array1::<f64>::zeros(512)).unwrap();
    works(&["--model", "ffhq-64", "generate", "--latent", &at("f64.npy"), "-o", &at("f64.png")]);
}

#[test]
fn an_inversion_names_a_model_and_its_strings_are_printed_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let bytes = std::fs::read(root().join("tests/data/inversion-0.1.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
    let write = |bundle: &str| {
        let old = r#"\"bundle\":\"ffhq-64\""#;
        assert!(header.contains(old));
        let header = header.replace(old, &format!(r#"\"bundle\":\"{bundle}\""#));
        let length = (header.len() as u64).to_le_bytes();
        std::fs::write(&path, [&length[..], header.as_bytes(), &bytes[8 + bytes_header(&bytes)..]].concat())
            .unwrap();
    };
    fn bytes_header(bytes: &[u8]) -> usize {
        u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
    }
    let models = root().join("models/ffhq-64");
    let out = folder.path().join("out.png");
    let (file, out) = (path.to_str().unwrap(), out.to_str().unwrap());
    let edit = ["edit", file, "--set", "smile=1", "-o", out];
    for bundle in [models.to_str().unwrap(), "../ffhq-64", "..", "a/../ffhq-64"] {
        write(bundle);
        let text = fails(&edit);
        assert!(text.contains("which is a path") && text.contains("--model"), "{text}");
    }
    // On request, the path is used.
    write(models.to_str().unwrap());
    works(&[&["--model", models.to_str().unwrap()], &edit[..]].concat());
    // ESC, as JSON in JSON.
    write(r"\\u001b[2J");
    let text = fails(&edit) + &works(&["inspect", file]);
    assert!(!text.contains('\x1b') && text.contains(r"\u{1b}[2J"), "{text:?}");
}

#[test]
fn directions_of_every_usual_shape_are_imported_and_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let generator = root().join("models/ffhq-64/generator.onnx");
    let mapping = root().join("models/ffhq-64/mapping.onnx");
    let import = |directions: &str, bundle: &str| {
        let directions = format!("all={directions}");
        let mut args = vec!["import", "--generator", generator.to_str().unwrap()];
        args.extend([
            "--tunable",
            "conv*.weight",
            "--mapping",
            mapping.to_str().unwrap(),
            "--direction",
            &directions,
            "-o",
            bundle,
        ]);
        let output = run(&args);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let write = |name: &str, add: &dyn Fn(&mut ndarray_npy::NpzWriter<std::fs::File>)| {
        let mut npz = ndarray_npy::NpzWriter::new_compressed(std::fs::File::create(at(name)).unwrap());
        add(&mut npz);
        npz.finish().unwrap();
        at(name)
    };
    let age = Array1::from_shape_fn(512, |i| if i == 3 { 5.0f32 } else { 0.0 });
    // Another vector for each of the 10 style layers.
    let smile = Array2::from_shape_fn((10, 512), |(layer, i)| if i == layer { 2.0f64 } else { 0.0 });
    let plain = write("plain.npz", &|npz| {
        npz.add_array("age", &age).unwrap();
        npz.add_array("smile", &smile).unwrap();
    });
    let (good, text) = import(&plain, &at("bundle"));
    assert!(good, "{text}");
    let list = works(&["--json", "inspect", &at("bundle")]);
    assert!(list.contains("\"age\"") && list.contains("\"smile\""), "{list}");
    works(&["--model", &at("bundle"), "generate", "--set", "smile=2", "--set", "age=1", "-o", &at("a.png")]);

    for (name, array, expected) in [
        ("short", Array2::<f32>::ones((1, 100)), "another generator"),
        (
            "layers",
            Array2::from_shape_fn((7, 512), |(l, i)| f32::from(u8::from(l == i))),
            "another generator",
        ),
        ("zero", Array2::zeros((1, 512)), "zero or not finite"),
        ("nan", Array2::from_elem((1, 512), f32::NAN), "zero or not finite"),
    ] {
        let file = write(&format!("{name}.npz"), &|npz| npz.add_array("age", &array).unwrap());
        let (good, text) = import(&file, &at(name));
        assert!(!good && text.contains(expected) && !Path::new(&at(name)).exists(), "{name}: {text}");
    }
    let mixed = write("mixed.npz", &|npz| {
        npz.add_array("dir_age", &age).unwrap();
        npz.add_array("std_age", &ndarray::arr0(1.0f32)).unwrap();
        npz.add_array("smile", &age).unwrap();
    });
    let (good, text) = import(&mixed, &at("mixed"));
    assert!(!good && text.contains("`smile` is not understood"), "{text}");
}
