//! Checkpoints compared with their contents in PyTorch, and malicious ones. `tests/fixtures/checkpoints.py` of the
//! workspace writes the files.

use gani_onnx::checkpoint::{Checkpoint, Element, Format, Setting};
use gani_onnx::{Data, Error};
use ndarray::{ArrayD, IxDyn, OwnedRepr};
use ndarray_npy::NpzReader;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

fn fixture(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../tests/fixtures/checkpoints", file].iter().collect()
}

fn open(file: &str) -> Checkpoint {
    Checkpoint::read(&fixture(file)).unwrap_or_else(|e| panic!("{e}"))
}

/// Shape and elements of every tensor in PyTorch, by file and name.
fn expected() -> BTreeMap<(String, String), (Vec<usize>, Data)> {
    let mut file = NpzReader::new(fs::File::open(fixture("expected.npz")).unwrap()).unwrap();
    let mut all = BTreeMap::new();
    for key in file.names().unwrap() {
        let (checkpoint, name) = key.split_once('|').unwrap();
        let array = match file.by_name::<OwnedRepr<f32>, IxDyn>(&key) {
            Ok(a) => (a.shape().to_vec(), Data::F32(a.iter().copied().collect())),
            Err(_) => {
                let a: ArrayD<i64> = file.by_name(&key).unwrap();
                (a.shape().to_vec(), Data::I64(a.iter().copied().collect()))
            }
        };
        let name = name.trim_end_matches(".npy");
        all.insert((checkpoint.to_string(), name.to_string()), array);
    }
    all
}

#[test]
fn every_tensor_is_as_in_pytorch() {
    let expected = expected();
    let mut files: Vec<&String> = expected.keys().map(|(file, _)| file).collect();
    files.dedup();
    assert_eq!(files.len(), 10, "{files:?}");
    for file in files {
        let checkpoint = open(file);
        let names: Vec<&str> = expected.keys().filter(|(f, _)| f == file).map(|(_, n)| n.as_str()).collect();
        let mut keys: Vec<&str> = checkpoint.keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, names, "{file}");
        for name in names {
            let (shape, data) = &expected[&(file.clone(), name.to_string())];
            let tensor = checkpoint.get(name).unwrap();
            assert_eq!(tensor.shape(), shape, "{file}: {name}");
            assert_eq!(tensor.data(), data, "{file}: {name}");
        }
    }
}

#[test]
fn containers_types_and_settings_are_read() {
    let format = |file: &str| open(file).format();
    assert_eq!((format("zip.pt"), format("legacy.pth")), (Format::Zip, Format::Legacy));
    assert_eq!((format("nvlabs.pkl"), format("pti.pt")), (Format::Pickle, Format::Zip));

    let all = open("zip.pt");
    let table =
        [("f16", Element::F16), ("bf16", Element::BF16), ("bool", Element::Bool), ("i8", Element::I8)];
    for (name, element) in table {
        assert_eq!(all.element(&format!("types.{name}")), Some(element), "{name}");
    }
    assert_eq!(all.shape("views.permuted"), Some(&[4, 2, 3][..]));
    assert_eq!(all.setting("step"), Some(&Setting::Int(41)));
    assert_eq!(all.setting("args.size"), Some(&Setting::Int(256)));
    assert_eq!(all.setting("loss.0"), None, "long lists of numbers are no settings");

    let e4e = open("e4e.pt");
    assert_eq!(e4e.setting("opts.encoder_type"), Some(&Setting::Text("Encoder4Editing".into())));
    assert_eq!(e4e.setting("opts.start_from_latent_avg"), Some(&Setting::Bool(true)));

    // NVlabs' generators store this only in their attributes.
    for file in ["nvlabs.pkl", "nvlabs-3.pkl"] {
        let g = open(file);
        assert_eq!(g.setting("G_ema.synthesis.b8.conv1.conv_clamp"), Some(&Setting::Int(256)), "{file}");
        assert_eq!(g.setting("G_ema._init_kwargs.synthesis_kwargs.conv_clamp"), Some(&Setting::Int(256)));
        assert_eq!(g.setting("G"), Some(&Setting::None));
    }
    assert_eq!(open("pti.pt").setting("z_dim"), Some(&Setting::Int(4)));
}

#[test]
fn components_of_ganspace_are_orthogonal_only_with_their_strides() {
    // The array is stored column by column: [5, 1, 8] with strides (1, 5, 5).
    let c = open("ganspace.pt");
    assert_eq!(c.shape("comp"), Some(&[5, 1, 8][..]));
    let values = c.values("comp", &[5, 1, 8]).unwrap();
    let expected = &expected()[&("ganspace.pt".into(), "comp".into())].1;
    assert_eq!(Data::F32(values.into()), *expected);
}

#[test]
fn functions_that_could_run_code_are_refused_by_name() {
    let witness = std::path::Path::new("/tmp/gani-was-here");
    let table = [
        ("hostile-system.pt", "posix.system"),
        ("hostile-eval.pth", "__builtin__.eval"),
        ("hostile-exec.pkl", "builtins.exec"),
        ("hostile-getattr.pkl", "__builtin__.getattr"),
    ];
    for (file, name) in table {
        let error = Checkpoint::read(&fixture(file)).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Model(_)) && text.contains(&format!("`{name}`")), "{file}: {text}");
        assert!(
            text.contains(file) && text.contains("nothing was run") && text.contains("state_dict"),
            "{text}"
        );
    }
    assert!(!witness.exists());
}

/// The error for these bytes.
fn refusal(bytes: &[u8]) -> Error {
    match Checkpoint::from_bytes("hostile.pkl", bytes.to_vec()) {
        Err(error) => error,
        Ok(c) => panic!("{bytes:?} gave {:?}", c.keys().collect::<Vec<_>>()),
    }
}

#[test]
fn malicious_pickles_are_refused_with_a_reason() {
    let nested: Vec<u8> = [b"\x80\x02".to_vec(), b"(".repeat(5000)].concat();
    let lists = [b"\x80\x02".to_vec(), b"]".repeat(5000), b"a".repeat(4999), b".".to_vec()].concat();
    // A list that contains the previous list twice, forty times over: 2⁴⁰ values if it is expanded.
    let doubling = [b"\x80\x02]".to_vec(), b"2\x86".repeat(40), b".".to_vec()].concat();
    let popped = [b"\x80\x02".to_vec(), b"N0".repeat(1 << 21), b"N.".to_vec()].concat();
    // A dict that contains itself.
    let circle = b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.";
    let table: [(&[u8], &str); 16] = [
        (b"cos\nsystem\n(S'ls'\ntR.", "`os.system`"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x01x\x85R.", "`builtins.eval`"),
        (b"\x80\x02(X\x02\x00\x00\x00lsios\nsystem\n.", "`os.system`"),
        (b"\x80\x02ctorch.hub\nload\n.", "`torch.hub.load`"),
        (b"\x80\x02cdnnlib.tflib.network\nNetwork\n.", "legacy.py"),
        (b"\x80\x02ctorch._utils\n_rebuild_sparse_tensor\n.", "state_dict"),
        (&nested, "1024 levels"),
        (&lists, "64 levels"),
        (&doubling, "values in nested dicts"),
        (circle, "64 levels"),
        (&popped, "instructions"),
        // Sizes beyond the end of the file.
        (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f", "bytes of text"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", "truncated"),
        (b"\x80\x02X\xff\xff\x00\x00ab", "truncated"),
        (b"\x80\x02h\x05.", "memoized"),
        (b"\x80\x02R.", "takes more than it has"),
    ];
    for (bytes, expected) in table {
        let error = refusal(bytes);
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains("hostile.pkl"), "{expected}: {text}");
        assert!(!matches!(error, Error::Io { .. }), "{text}");
    }
}

/// A legacy file whose main pickle is one f32 view of a storage of two elements.
fn view(size: &[u8], stride: &[u8], offset: u8) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.";
    let start = [&magic[..], b"\x80\x02M\xe9\x03.", b"\x80\x02}."].concat();
    let storage =
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02NtQ";
    let args = [&b"("[..], storage, b"K", &[offset], size, stride, b"\x89Nt"].concat();
    let main = [&b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n"[..], &args, b"R."].concat();
    let data = [&2u64.to_le_bytes()[..], &1f32.to_le_bytes(), &2f32.to_le_bytes()].concat();
    [&start[..], &main, b"\x80\x02]X\x01\x00\x00\x000a.", &data].concat()
}

#[test]
fn views_outside_their_storage_or_of_extreme_size_are_refused() {
    let ok = Checkpoint::from_bytes("v.pth", view(b"K\x02\x85", b"K\x01\x85", 0)).unwrap();
    assert_eq!(ok.values("tensor", &[2]).unwrap(), [1.0, 2.0]);
    let huge = b"J\xff\xff\xff\x7f\x85";
    let table: [(&[u8], &[u8], u8); 5] = [
        (b"K\x03\x85", b"K\x01\x85", 0),
        (b"K\x02\x85", b"K\x01\x85", 1),
        (b"K\x02\x85", huge, 0),
        (b"K\x02\x85", b")", 0),
        (huge, b"K\x01\x85", 0),
    ];
    for (size, stride, offset) in table {
        let error = refusal(&view(size, stride, offset));
        assert!(error.to_string().contains("does not fit"), "{error}");
    }
    // The first element repeated 2³¹ − 1 times: the view is inside its storage, but the tensor is not built.
    let wide = Checkpoint::from_bytes("v.pth", view(huge, b"K\x00\x85", 0)).unwrap();
    assert!(matches!(wide.get("tensor"), Err(Error::Limits(_))));
}

#[test]
fn truncated_files_are_refused_and_flipped_bits_do_no_harm() {
    for file in ["zip.pt", "legacy.pth", "nvlabs.pkl", "e4e.pt", "direction.pt"] {
        let whole = fs::read(fixture(file)).unwrap();
        for end in (0..whole.len()).step_by(if whole.len() > 4000 { 37 } else { 5 }) {
            let cut = Checkpoint::from_bytes(file, whole[..end].to_vec());
            assert!(cut.is_err(), "{file} cut at {end} was accepted");
        }
        for at in (0..whole.len()).step_by(13) {
            for bit in [0x01, 0x80] {
                let mut flipped = whole.clone();
                flipped[at] ^= bit;
                if let Ok(c) = Checkpoint::from_bytes(file, flipped) {
                    c.keys().for_each(|key| drop(c.get(key)));
                }
            }
        }
    }
}

#[test]
fn repeated_references_to_large_values_are_refused() {
    // Each of these would take minutes if every reference were followed.
    let marked = |inside: Vec<u8>| [b"\x80\x02".to_vec(), inside, b".".to_vec()].concat();
    // A list that contains a list of 200,000 numbers a million times.
    let long = [b"](".to_vec(), b"K\x01".repeat(200_000), b"eq\x00".to_vec()].concat();
    let many = marked([long.clone(), b"](".to_vec(), b"h\x00".repeat(1_000_000), b"e".to_vec()].concat());
    // The same list as the pairs of a dict, and as the state of an NVlabs object.
    let dicts = b"ccollections\nOrderedDict\nh\x00\x85R0".repeat(100_000);
    let dicts = marked([long, dicts, b"N".to_vec()].concat());
    let meta = [b"}(".to_vec(), b"K\x01N".repeat(200_000), b"uq\x00".to_vec()].concat();
    let objects = b"ctorch_utils.persistence\n_reconstruct_persistent_obj\nh\x00\x85R0".repeat(50_000);
    let objects = marked([meta, objects, b"N".to_vec()].concat());
    for (what, bytes) in [("lists", many), ("dicts", dicts), ("objects", objects)] {
        let error = refusal(&bytes);
        assert!(matches!(error, Error::Limits(_)), "{what}: {error}");
    }
}
