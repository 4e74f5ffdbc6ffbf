//! Damaged and hostile files through the C ABI: each gives a status within seconds, and takes little memory.
//!
//! Each case runs in a process of its own, this test's executable, which prints its status and its peak memory.
#![cfg(target_os = "linux")]
#![allow(missing_docs, unsafe_code)]

use gani::*;
use gani_core::util::npy::NpyArray;
use gani_onnx::{Builder, Tensor, write};
use std::ffi::{CStr, CString};
use std::fs;
use std::mem::size_of;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{ptr, thread};

const BUNDLE: &str = "GANI_TEST_BUNDLE";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A copy of the 64 px bundle that a case may change.
struct Variant {
    _folder: tempfile::TempDir,
    folder: PathBuf,
}

impl Variant {
    fn new() -> Variant {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("hostile");
        fs::create_dir(&folder).unwrap();
        symlink(root().join("models/common"), temporary.path().join("common")).unwrap();
        for entry in fs::read_dir(root().join("models/ffhq-64")).unwrap().flatten() {
            fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
        Variant { _folder: temporary, folder }
    }

    fn manifest(self, change: impl FnOnce(String) -> String) -> Variant {
        let path = self.folder.join("bundle.toml");
        let text = change(fs::read_to_string(&path).unwrap());
        fs::write(path, text).unwrap();
        self
    }

    /// Sets the size of `file` in the manifest.
    fn bytes(self, file: &str, bytes: u64) -> Variant {
        self.manifest(|text| {
            let at = text.find(&format!("path = \"{file}\"")).unwrap();
            let from = at + text[at..].find("bytes = ").unwrap();
            let to = from + text[from..].find('\n').unwrap();
            format!("{}bytes = {bytes}{}", &text[..from], &text[to..])
        })
    }

    /// Replaces `file`.
    fn file(self, file: &str, content: &[u8]) -> Variant {
        fs::write(self.folder.join(file), content).unwrap();
        self.bytes(file, content.len() as u64)
    }

    /// Replaces `file`, made by `make`, whose size is declared as `bytes`.
    fn special(self, file: &str, bytes: u64, make: impl FnOnce(&Path)) -> Variant {
        let path = self.folder.join(file);
        fs::remove_file(&path).unwrap();
        make(&path);
        self.bytes(file, bytes)
    }
}

/// What a process did with a bundle.
#[derive(Debug)]
struct Outcome {
    status: String,
    message: String,
    megabytes: u64,
    /// CPU time of the call that failed, which does not depend on what else runs.
    time: Duration,
}

/// Opens, generates and inverts with the bundle in a process of its own.
fn use_bundle(folder: &Path) -> Outcome {
    let started = Instant::now();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(BUNDLE, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("{}: does not end", folder.display());
        }
        thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}: {}\n{}",
        output.status,
        text,
        String::from_utf8_lossy(&output.stderr)
    );
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.split_once(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).1.to_string()
    };
    let megabytes = field("peak").parse::<u64>().unwrap() / 1024;
    let time = Duration::from_millis(field("milliseconds").parse().unwrap());
    Outcome { status: field("status"), message: field("message"), megabytes, time }
}

/// CPU time of this process.
fn cpu_time() -> Duration {
    // SAFETY: zero bytes are a valid rusage, and the pointer is valid.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0);
        usage
    };
    let duration = |t: libc::timeval| Duration::from_micros(t.tv_sec as u64 * 1_000_000 + t.tv_usec as u64);
    duration(usage.ru_utime) + duration(usage.ru_stime)
}

/// The process of a case. Does nothing in an ordinary run of the tests.
#[test]
fn child() {
    let Ok(bundle) = std::env::var(BUNDLE) else { return };
    let bundle = CString::new(bundle).unwrap();
    let photo = CString::new(root().join("tests/data/astronaut.png").to_str().unwrap()).unwrap();
    // SAFETY: valid structs, strings and handles.
    let status = unsafe {
        let options = gani_model_options {
            struct_size: size_of::<gani_model_options>(),
            model: bundle.as_ptr(),
            device: c"cpu".as_ptr(),
            onnx_runtime: ptr::null(),
            threads: 1,
        };
        let (mut model, mut image, mut session) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let mut pixels = vec![0u8; 64 * 64 * 3];
        let mut desc: gani_image_desc = std::mem::zeroed();
        desc.struct_size = size_of::<gani_image_desc>();
        desc.pixels = pixels.as_mut_ptr().cast();
        (desc.stride, desc.width, desc.height, desc.layout, desc.sample) = (192, 64, 64, 3, 1);
        let mut invert: gani_invert_options = std::mem::zeroed();
        invert.struct_size = size_of::<gani_invert_options>();
        (invert.aligned, invert.cache, invert.iterations, invert.refine_steps) = (1, 1, 1, GANI_COUNT_ZERO);
        let mut target = ptr::null_mut();
        let edit = gani_edit { direction: c"smile".as_ptr(), strength: 1.0 };
        let (image, target, model, session) =
            (&raw mut image, &raw mut target, &raw mut model, &raw mut session);
        let steps: [&dyn Fn() -> gani_status; 6] = [
            &|| gani_image_load(photo.as_ptr(), image),
            &|| gani_image_wrap(&desc, target),
            &|| gani_model_open(&options, model),
            &|| gani_model_invert(*model, *image, &invert, session),
            &|| gani_face_session_render(*session, &edit, 1, *target),
            &|| gani_model_generate(*model, 1, 1.0, *target),
        ];
        let mut statuses = steps.into_iter().map(|step| {
            let started = cpu_time();
            (step(), cpu_time() - started)
        });
        statuses.find(|(s, _)| *s != gani_status::GANI_OK)
    };
    // SAFETY: the string is valid until the next failure.
    let message = unsafe { CStr::from_ptr(gani_last_error()) }.to_str().unwrap().replace('\n', " ");
    let proc = fs::read_to_string("/proc/self/status").unwrap();
    let peak = proc.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let (status, time) = status.unwrap_or((gani_status::GANI_OK, Duration::ZERO));
    println!("\nstatus: {status:?}");
    println!("milliseconds: {}", time.as_millis());
    println!("message: {message}");
    println!("peak: {}", peak.trim().trim_end_matches(" kB"));
}

fn hostile(file: &str) -> Vec<u8> {
    fs::read(root().join("tests/data/hostile").join(file)).unwrap()
}

/// 20,000 arrays, each a direction of one element, stored without compression.
fn many_arrays() -> Vec<u8> {
    let mut npz = ndarray_npy::NpzWriter::new(std::io::Cursor::new(Vec::new()));
    for k in 0..20_000 {
        npz.add_array(format!("dir_{k}"), &ndarray::aview1(&[1.0f32])).unwrap();
    }
    npz.finish().unwrap().into_inner()
}

/// A generator that takes 1 TB of latents.
fn huge_ws() -> Vec<u8> {
    let b = Builder::new();
    let ws = b.input("ws", &[1, 1 << 18, 1 << 20]);
    let part = ws.slice(&[1, 2], &[0, 0], &[1, 3 * 64 * 64], &[1, 1]);
    b.output("image", part.reshape(&[1, 3, 64, 64]));
    write::to_bytes(&b.finish().unwrap()).unwrap()
}

/// The 64 px generator with NaN in its first weight.
fn nan_weight() -> Vec<u8> {
    let path = root().join("models/ffhq-64/generator.onnx");
    let graph = gani_onnx::read::from_file(&path, &[]).unwrap();
    let b = Builder::new();
    let ws = b.input("ws", graph.input_shape("ws").unwrap());
    let image = b.inline(&graph, &[("ws", ws)]).unwrap()[0];
    let shift = Tensor::f32(&[2], vec![f32::NAN, 0.0]).unwrap();
    b.output("image", image + b.weight("shift", shift).sum_all().reshape(&[1, 1, 1, 1]));
    write::to_bytes(&b.finish().unwrap()).unwrap()
}

#[test]
fn each_hostile_bundle_gives_a_status_and_takes_little_memory() {
    let own = use_bundle(&Variant::new().folder);
    assert_eq!(own.status, "GANI_OK", "{own:?}");
    let size = |n: &str| Variant::new().manifest(|t| t.replacen("size = 64", &format!("size = {n}"), 1));
    let network = "generator.onnx";
    let zero = |path: &Path| symlink("/dev/zero", path).unwrap();
    let fifo = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let sparse = |path: &Path| fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
    let cases = [
        // Three ways to end a program that had loaded libgani: this one, the huge shape and the huge ws.
        ("size 100000", size("100000"), "LIMITS", "100000"),
        ("size 20000", size("20000"), "LIMITS", "20000"),
        ("size 4096", size("4096"), "MODEL", "4096 × 4096"),
        ("size 0", size("0"), "LIMITS", "1 to"),
        ("/dev/zero", Variant::new().special(network, 0, zero), "MODEL", "device"),
        ("/dev/zero as w_avg", Variant::new().special("w_avg.npy", 0, zero), "MODEL", "device"),
        ("fifo", Variant::new().special(network, 0, fifo), "MODEL", "pipe"),
        ("sparse", Variant::new().special(network, 1 << 40, sparse), "LIMITS", "bytes"),
        ("manifest is a fifo", Variant::new().manifest_as(fifo), "INPUT", "no bundle.toml"),
        ("nested header", Variant::new().file("w_avg.npy", &hostile("nest40.npy")), "MODEL", "w_avg.npy"),
        ("huge shape", Variant::new().file("w_avg.npy", &hostile("shape_huge3.npy")), "MODEL", "w_avg.npy"),
        ("huge directions", Variant::new().directions(&many_arrays()), "LIMITS", "20000 arrays"),
        ("huge ws", Variant::new().file(network, &huge_ws()), "LIMITS", "262144"),
        ("NaN", Variant::new().file(network, &nan_weight()), "MODEL", "NaN"),
    ];
    for (name, variant, status, text) in cases {
        let outcome = use_bundle(&variant.folder);
        assert!(outcome.status.ends_with(status) && outcome.message.contains(text), "{name}: {outcome:?}");
        assert!(outcome.time < Duration::from_secs(1), "{name}: {outcome:?}");
        assert!(outcome.megabytes < own.megabytes + 100, "{name}: {outcome:?}, the valid bundle {own:?}");
    }
}

impl Variant {
    fn manifest_as(self, make: impl FnOnce(&Path)) -> Variant {
        let path = self.folder.join("bundle.toml");
        fs::remove_file(&path).unwrap();
        make(&path);
        self
    }

    /// Directions of its own.
    fn directions(self, content: &[u8]) -> Variant {
        fs::write(self.folder.join("directions.npz"), content).unwrap();
        self.manifest(|text| text.replace("../common/directions.npz", "directions.npz"))
            .bytes("directions.npz", content.len() as u64)
    }
}

/// The smallest external data: 24 initializers that all take the whole file.
#[test]
fn initializers_that_share_an_external_file_are_refused() {
    fn field(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag << 3 | 2];
        let mut n = content.len();
        while n >= 128 {
            bytes.push(n as u8 | 128);
            n >>= 7;
        }
        bytes.push(n as u8);
        [bytes, content.to_vec()].concat()
    }
    const SIZE: u64 = 32 << 20;
    let location = field(13, &[field(1, b"location"), field(2, b"weights.bin")].concat());
    let tensors: Vec<u8> = (0..24)
        .flat_map(|k| {
            // dims = [8 Mi], data_type = float, name, external_data, data_location = external.
            let head = [0x08, 0x80, 0x80, 0x80, 0x04, 0x10, 0x01];
            let name = field(8, format!("w{k}").as_bytes());
            field(5, &[&head[..], &name, &location, &[0x70, 0x01]].concat())
        })
        .collect();
    let opset = field(8, &[0x10, 18]);
    let model = [field(7, &tensors), opset].concat();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.onnx"), model).unwrap();
    fs::File::create(folder.path().join("weights.bin")).unwrap().set_len(SIZE).unwrap();
    let error = gani_onnx::read::from_file(&folder.path().join("a.onnx"), &[]).unwrap_err();
    assert!(matches!(error, gani_onnx::Error::Limits(_)), "{error}");
    assert!(error.to_string().contains("weights.bin"), "{error}");
}

#[test]
fn hostile_arrays_are_refused_at_once() {
    let started = Instant::now();
    for file in ["nest40.npy", "shape_huge3.npy"] {
        let error = NpyArray::read(&root().join("tests/data/hostile").join(file)).unwrap_err();
        assert!(error.to_string().contains(file), "{error}");
    }
    assert!(started.elapsed() < Duration::from_secs(1));
}
