//! The key lists of the published checkpoints are accepted. Errors name a key that is missing, renamed or has another shape.

use crate::weights::parse;
use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::networks::{Network, arcface, e4e, lpips, moco, parsing, recognize, stylegan2};
use gani_onnx::{Data, Result, Tensor};
use std::collections::HashMap;
use std::sync::Arc;

/// Keys with their shapes.
type Keys = Vec<(String, Vec<usize>)>;

/// Key lists of the published files, by network.
fn published() -> Vec<(&'static str, Keys)> {
    let text = include_str!("../fixtures/network_keys.txt");
    let network = |part: &'static str| {
        let (name, lines) = part.split_once("]\n").unwrap();
        (name, parse(lines.trim_end()))
    };
    text.split("\n[").skip(1).map(network).collect()
}

/// Tensors of zeros. Tensors of equal size share their memory, so a checkpoint of 1 GB costs little more than its largest tensor.
#[derive(Default)]
struct Zeros(HashMap<usize, Arc<[f32]>>);

impl Zeros {
    fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let size: usize = shape.iter().product();
        let zeros = self.0.entry(size).or_insert_with(|| vec![0.0; size].into());
        Tensor::new(shape, Data::F32(zeros.clone())).unwrap()
    }

    fn file(&mut self, prefix: &str, keys: &[(String, Vec<usize>)]) -> Checkpoint {
        let tensors: Vec<_> =
            keys.iter().map(|(key, shape)| (format!("{prefix}{key}"), self.tensor(shape))).collect();
        Checkpoint::from_tensors("some.pt", tensors)
    }
}

/// The prefix of a network's keys in the published file.
fn prefix(name: &str) -> &'static str {
    match name {
        "stylegan2_rosinality_1024" => "g_ema.",
        "stylegan2_rosinality_512" => "state_dict.decoder.",
        "stylegan2_nvlabs_1024" => "G_ema.",
        "moco_v2_resnet50" => "state_dict.module.encoder_q.",
        n if n.contains("encoder") => "state_dict.encoder.",
        _ => "",
    }
}

/// Identifies the network of the file and builds it.
fn build(name: &str, file: &Checkpoint) -> Result<()> {
    let mean = Tensor::f32(&[512], vec![0.0; 512]).unwrap();
    let found = recognize(file);
    let find =
        |n: Network| found.iter().find(|f| f.network == n).unwrap_or_else(|| panic!("{name}: {found:?}"));
    let scoped = |n: Network| file.clone().scoped(&find(n).prefix);
    let size = [256; 2];
    match name {
        n if n.starts_with("stylegan2") => stylegan2::build(file).map(drop),
        n if n.starts_with("e4e") => e4e::e4e(&scoped(Network::E4e), &mean, size).map(drop),
        "hyperstyle_w_encoder" => e4e::w_encoder(&scoped(Network::WEncoder), &mean, size).map(drop),
        "arcface_ir_se50" => arcface::identity(&scoped(Network::ArcFace)).map(drop),
        "curricularface_ir101" => arcface::evaluation(&scoped(Network::CurricularFace)).map(drop),
        "celebamaskhq_unet" => parsing::contracting_path(&scoped(Network::Parsing), 256).map(drop),
        "moco_v2_resnet50" => moco::features(&scoped(Network::MoCo), size).map(drop),
        "lpips_alex" => {
            let heads = scoped(Network::LpipsHeads);
            lpips::official(&scoped(Network::AlexNet), &heads, 256).map(drop)
        }
        other => panic!("no network is called {other}"),
    }
}

#[test]
fn published_key_lists_are_accepted() {
    let mut zeros = Zeros::default();
    for (name, keys) in published() {
        let file = zeros.file(prefix(name), &keys);
        build(name, &file).unwrap_or_else(|e| panic!("{name}: {e}"));
        let text = &recognize(&file)[0].text;
        let expected: &[&str] = match name {
            "stylegan2_rosinality_1024" => &["1024 px", "8 mapping layers", "rosinality"],
            "stylegan2_nvlabs_1024" => &["1024 px", "8 mapping layers", "NVlabs"],
            "stylegan2_rosinality_256" => &["256 px"],
            "e4e_encoder_1024" => &["18 styles"],
            "e4e_encoder_256" => &["14 styles"],
            _ => &[],
        };
        assert!(expected.iter().all(|t| text.contains(t)), "{name}: {text}");
    }
}

#[test]
fn errors_name_the_wrong_key_and_its_expected_shape() {
    let mut zeros = Zeros::default();
    for (name, keys) in published() {
        let prefix = prefix(name);
        // Long lists are repetitive: every fifth key is enough.
        let step = if keys.len() > 300 { 5 } else { 1 };
        for i in (0..keys.len()).step_by(step) {
            let (key, shape) = &keys[i];
            let full = format!("{prefix}{key}");
            for wrong in ["missing", "renamed", "misshaped"] {
                let mut changed = keys.clone();
                match wrong {
                    "missing" => drop(changed.remove(i)),
                    "renamed" => changed[i].0 = format!("{key}_"),
                    _ => changed[i].1 = shape.iter().chain(&[2]).copied().collect(),
                }
                let error = build(name, &zeros.file(prefix, &changed)).unwrap_err().to_string();
                assert!(
                    error.contains(&format!("`{full}`")) && error.contains(&format!("{shape:?}")),
                    "{name}, {full} {wrong}: {error}"
                );
                assert!(wrong != "renamed" || error.contains(&format!("`{full}_`")), "{name}: {error}");
            }
            // One axis is longer by one, which contradicts the other tensors of the layer.
            for axis in 0..shape.len() {
                let mut changed = keys.clone();
                changed[i].1[axis] += 1;
                let error = build(name, &zeros.file(prefix, &changed)).unwrap_err().to_string();
                let names_both =
                    error.contains(&format!("`{full}`")) && error.contains(&format!("{shape:?}"));
                assert!(names_both, "{name}, {full} {:?}: {error}", changed[i].1);
            }
        }
    }
}

#[test]
fn similar_networks_are_refused() {
    let mut zeros = Zeros::default();
    let keys = |text: &str| parse(text);
    // A 6-channel ReStyle encoder, a backbone of another depth, a class-conditional generator, an unrelated network.
    let (_, mut restyle) = published().into_iter().find(|(n, _)| *n == "e4e_encoder_256").unwrap();
    restyle[0].1[1] = 6;
    let error =
        build("e4e_encoder_256", &zeros.file("state_dict.encoder.", &restyle)).unwrap_err().to_string();
    assert!(error.contains("[64, 6, 3, 3]") && error.contains("[64, 3, 3, 3]"), "{error}");
    let (_, arcface) = published().into_iter().find(|(n, _)| *n == "arcface_ir_se50").unwrap();
    let shorter: Vec<_> = arcface.into_iter().filter(|(k, _)| !k.starts_with("body.23.")).collect();
    let error = build("arcface_ir_se50", &zeros.file("", &shorter)).unwrap_err().to_string();
    assert!(error.contains("23 residual units") && error.contains("IR-SE50"), "{error}");
    let (_, mut conditional) = published().into_iter().find(|(n, _)| *n == "stylegan2_nvlabs_1024").unwrap();
    conditional.push(("mapping.embed.weight".into(), vec![512, 10]));
    let error = build("stylegan2_nvlabs_1024", &zeros.file("G_ema.", &conditional)).unwrap_err().to_string();
    assert!(error.contains("class-conditional"), "{error}");
    assert_eq!(recognize(&zeros.file("", &keys("conv.weight 3 3 1 1\nfc.bias 4"))), []);
}

#[test]
fn averaged_generator_is_preferred() {
    let (_, keys) = published().into_iter().find(|(n, _)| *n == "stylegan2_rosinality_256").unwrap();
    let mut zeros = Zeros::default();
    let both: Vec<_> = ["g.", "g_ema."]
        .iter()
        .flat_map(|p| keys.iter().map(move |(k, s)| (format!("{p}{k}"), s.clone())))
        .collect();
    assert_eq!(recognize(&zeros.file("", &both))[0].prefix, "g_ema.");
}
