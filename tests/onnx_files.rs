//! `.onnx` files: old opsets against ONNX Runtime's values, broken and hostile files, external weights, f16 weights.
//! `fixtures/onnx_files.py` wrote the models.

use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_onnx::read::ReadOptions;
use gani_onnx::write::{WriteOptions, to_bytes, to_file};
use gani_onnx::{Builder, Error, Graph, Tensor, read};
use ndarray::{ArrayD, Ix1, IxDyn, OwnedRepr};
use ndarray_npy::NpzReader;
use std::collections::BTreeMap;
use std::fs::{self, File};

/// The bytes of a model, with its inputs and outputs by name.
struct Case {
    name: String,
    model: Vec<u8>,
    arrays: BTreeMap<String, ArrayD<f32>>,
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/onnx_files.npz");
    let mut file = NpzReader::new(File::open(path).unwrap()).unwrap();
    let mut cases: Vec<Case> = vec![];
    for key in file.names().unwrap() {
        let (name, part) = key.split_once('|').unwrap();
        match part.trim_end_matches(".npy") {
            "model" => {
                let model = file.by_name::<OwnedRepr<u8>, Ix1>(&key).unwrap().to_vec();
                cases.push(Case { name: name.into(), model, arrays: BTreeMap::new() });
            }
            part => {
                let array = file.by_name::<OwnedRepr<f32>, IxDyn>(&key).unwrap();
                cases.last_mut().unwrap().arrays.insert(part.into(), array);
            }
        }
    }
    cases
}

fn valid_cases() -> Vec<Case> {
    cases().into_iter().filter(|c| !c.name.starts_with("bad: ")).collect()
}

/// The outputs of a graph in ONNX Runtime, by name.
fn run(graph: &Graph, inputs: &[(&str, &ArrayD<f32>)]) -> Result<BTreeMap<String, ArrayD<f32>>, String> {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, threads: 2, library: None };
    let runtime = Runtime::load(&options).unwrap();
    let session = runtime.session("test", &to_bytes(graph).unwrap()).map_err(|e| format!("{e}\n{graph}"))?;
    let views: Vec<_> = inputs.iter().map(|(name, array)| (*name, array.view())).collect();
    let outputs = session.run(&views, &Cancel::new()).map_err(|e| format!("{e}\n{graph}"))?;
    Ok(session.outputs().iter().map(|port| port.name.clone()).zip(outputs).collect())
}

fn check(case: &Case) -> Result<(), String> {
    let graph = ReadOptions::new().batch(1).read_bytes(&case.name, case.model.clone(), None);
    let graph = graph.map_err(|e| e.to_string())?;
    let inputs: Vec<_> =
        case.arrays.iter().filter(|(k, _)| k.starts_with('x')).map(|(k, v)| (k.as_str(), v)).collect();
    for (name, found) in run(&graph, &inputs)? {
        let expected = &case.arrays[&name];
        if found.shape() != expected.shape()
            || !found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-6)
        {
            return Err(format!("{name} is\n{found}\nexpected\n{expected}\ngraph\n{graph}"));
        }
    }
    Ok(())
}

#[test]
fn old_opsets_give_the_expected_values() {
    let wrong: Vec<_> =
        valid_cases().iter().filter_map(|c| check(c).err().map(|why| format!("{}: {why}", c.name))).collect();
    assert!(wrong.is_empty(), "{} models give wrong values:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn caller_sets_dynamic_dimensions() {
    let case = valid_cases().into_iter().find(|c| c.name == "shape arithmetic 11").unwrap();
    let read = |options: ReadOptions| options.read_bytes("open", case.model.clone(), None);
    let shape = |options| read(options).unwrap().output_shape("y0").unwrap().to_vec();
    assert_eq!(shape(ReadOptions::new().batch(4)), [4, 6]);
    assert_eq!(shape(ReadOptions::new().batch(4).shape("x0", &[5, 2, 3])), [5, 6]);
    assert_eq!(shape(ReadOptions::new().open_dimensions_as_one()), [1, 6]);
    assert!(matches!(read(ReadOptions::new()), Err(Error::Input(text)) if text.contains("x0=1x2x3")));
    let silent = read::from_bytes("open", case.model.clone(), None, &[]);
    assert!(matches!(silent, Err(Error::Input(text)) if text.contains("x0=1x2x3")));
}

#[test]
fn errors_for_broken_files_name_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data"), [0; 12]).unwrap();
    let path = folder.path().join("broken.onnx");
    let mut wrong = vec![];
    for case in cases() {
        let Some(words) = case.name.strip_prefix("bad: ") else { continue };
        fs::write(&path, &case.model).unwrap();
        let text = match read::from_file(&path, &[]) {
            Ok(graph) => format!("it was read without an error:\n{graph}"),
            Err(e) => e.to_string(),
        };
        if !text.contains(words.trim()) || !(text.contains("broken.onnx") || text.contains("missing_data")) {
            wrong.push(format!("{words}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn missing_files_folders_and_other_formats_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.onnx");
    assert!(matches!(read::from_file(&missing, &[]), Err(Error::Io { path, .. }) if path == missing));
    assert!(read::from_file(folder.path(), &[]).unwrap_err().to_string().contains("not a file"));
    for bytes in [&b""[..], b"\x89PNG\r\n\x1a\n", b"not a model", &[0xff; 100]] {
        let error = read::from_bytes("picture.png", bytes.to_vec(), None, &[]).unwrap_err();
        assert!(matches!(&error, Error::Model(text) if text.contains("picture.png")), "{error}");
    }
}

/// Reads a model. If it is valid, also differentiates and writes it. Nothing may panic.
fn process(bytes: Vec<u8>) {
    let options = ReadOptions::new().open_dimensions_as_one();
    let Ok(graph) = options.read_bytes("damaged", bytes, None) else { return };
    let b = Builder::new();
    let info = |v| graph.info(v);
    let inputs: Vec<_> =
        graph.inputs().iter().map(|&v| b.typed_input(&info(v).name, &info(v).shape, info(v).dtype)).collect();
    let bindings: Vec<_> =
        graph.inputs().iter().map(|&v| info(v).name.as_str()).zip(inputs.iter().copied()).collect();
    let Ok(outputs) = b.inline(&graph, &bindings) else { return };
    let Some(y) = outputs.first().filter(|y| y.dtype().is_float()) else { return };
    let Ok(gradients) = b.gradient(y.sum_all(), &inputs) else { return };
    gradients.iter().enumerate().for_each(|(i, g)| b.output(&format!("g{i}"), *g));
    if let Ok(graph) = b.finish() {
        let _ = to_bytes(&graph).map(|b| b.len());
    }
}

#[test]
fn truncated_and_damaged_files_never_panic() {
    for case in valid_cases() {
        for i in 0..case.model.len() {
            process(case.model[..i].to_vec());
            for byte in
                [0, 0x7f, 0xff, case.model[i] ^ 1, case.model[i] ^ 0x80, case.model[i].wrapping_add(2)]
            {
                let mut bytes = case.model.clone();
                bytes[i] = byte;
                process(bytes);
            }
        }
    }
}

/// y = x·w + b + 0.25, where w has 300 elements and b has 3.
fn network() -> Graph {
    let b = Builder::new();
    let x = b.input("x", &[1, 100]);
    let values = |n: usize| (0..n).map(|i| (i as f32 * 0.37).sin()).collect();
    let w = b.weight("w", Tensor::f32(&[100, 3], values(300)).unwrap());
    let bias = b.weight("b", Tensor::f32(&[3], values(3)).unwrap());
    b.output("y", x.matmul(w) + bias + 0.25);
    b.finish().unwrap()
}

#[test]
fn external_weights_are_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.onnx");
    let graph = network();
    to_file(&graph, &path, &WriteOptions { external_above: 0, half: false }).unwrap();
    let data = folder.path().join("network.onnx.data");
    assert!(fs::metadata(&path).unwrap().len() < 1000);
    let back = read::from_file(&path, &[]).unwrap();
    for name in ["w", "b"] {
        assert_eq!(back.find_constant(name).unwrap(), graph.find_constant(name).unwrap());
    }
    assert_eq!(
        to_bytes(&back).unwrap(),
        to_bytes(&read::from_bytes("same", to_bytes(&graph).unwrap(), None, &[]).unwrap()).unwrap()
    );
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");

    fs::write(&data, &fs::read(&data).unwrap()[1..]).unwrap();
    let text = read::from_file(&path, &[]).unwrap_err().to_string();
    assert!(text.contains("truncated") && text.contains("network.onnx.data"), "{text}");
    fs::remove_file(&data).unwrap();
    assert!(matches!(read::from_file(&path, &[]), Err(Error::Io { path, .. }) if path == data));
}

#[test]
fn f16_weights_are_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let [full, half] = ["full.onnx", "half.onnx"].map(|name| folder.path().join(name));
    let graph = network();
    to_file(&graph, &full, &WriteOptions::default()).unwrap();
    to_file(&graph, &half, &WriteOptions { half: true, ..WriteOptions::default() }).unwrap();
    let saved = fs::metadata(&full).unwrap().len() - fs::metadata(&half).unwrap().len();
    assert!(saved > 500, "{saved} bytes saved");
    let back = read::from_file(&half, &[]).unwrap();
    let [before, after] = [&graph, &back].map(|g| g.find_constant("w").unwrap().as_f32().unwrap().to_vec());
    assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() <= a.abs() / 2048.0 + 1e-7));
    assert_eq!(back.find_constant("b").unwrap(), graph.find_constant("b").unwrap());
    let x = ArrayD::from_shape_fn(IxDyn(&[1, 100]), |i| i[1] as f32 / 100.0);
    let [y, z] = [&graph, &back].map(|g| run(g, &[("x", &x)]).unwrap()["y"].clone());
    assert!(y.iter().zip(&z).all(|(a, b)| (a - b).abs() < 0.02), "{y} {z}");
}

#[test]
fn name_collisions_are_resolved() {
    let b = Builder::new();
    let x = b.input("w", &[1, 100]);
    let first = b.inline(&network(), &[("x", x)]).unwrap()[0];
    let other = b.weight("w", Tensor::f32(&[3], vec![1.0, 2.0, 3.0]).unwrap());
    b.output("b", first * other);
    b.output("again", first * other);
    b.output("x", x);
    b.output("bias", b.weight("bias", Tensor::f32(&[2], vec![5.0, 6.0]).unwrap()));
    let graph = b.finish().unwrap();
    let zeros = ArrayD::zeros(IxDyn(&[1, 100]));
    let found = run(&graph, &[("w", &zeros)]).unwrap();
    assert_eq!(found["b"], found["again"]);
    assert_eq!(found["x"], zeros);
    assert_eq!(found["bias"].as_slice().unwrap(), [5.0, 6.0]);
    let expected: Vec<f32> =
        [0.0f32, 0.37, 0.74].iter().zip([1.0, 2.0, 3.0]).map(|(v, k)| (v.sin() + 0.25) * k).collect();
    assert!(found["b"].iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn failed_write_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no").join("such").join("folder.onnx");
    assert!(matches!(
        to_file(&network(), &path, &WriteOptions::default()),
        Err(Error::Io { doing: "writing", .. })
    ));
    let directory = folder.path().join("directory.onnx");
    fs::create_dir(&directory).unwrap();
    assert!(to_file(&network(), &directory, &WriteOptions::default()).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
