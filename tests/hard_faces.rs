//! Small faces in large photos, and turned photos: the alignment agrees with that of the original photo.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use gani_core::face::{Alignment, FaceFinder};
use gani_core::photo::Photo;
use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

/// The width of the face in `astronaut.png`, in pixels.
const FACE: f64 = 89.0;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn finder() -> FaceFinder {
    let runtime =
        Runtime::load(&RuntimeOptions { device: DeviceChoice::Cpu, threads: 2, ..Default::default() })
            .unwrap();
    let net = |name: &str| std::fs::read(root().join("models/common").join(name)).unwrap();
    FaceFinder::new(&runtime, &net("blazeface.onnx"), &net("facemesh.onnx")).unwrap()
}

fn astronaut() -> RgbImage {
    image::open(root().join("tests/data/astronaut.png")).unwrap().to_rgb8()
}

/// The alignments in a picture, and the seconds that it took.
fn alignments(finder: &FaceFinder, pixels: RgbImage) -> (Vec<Alignment>, f64) {
    let photo = Photo::from_pixels(Path::new("test.png"), pixels.into());
    let start = Instant::now();
    let faces = finder.faces(&photo, &Cancel::new()).unwrap();
    (faces.iter().map(|face| face.alignment).collect(), start.elapsed().as_secs_f64())
}

/// Distance of the centers as a fraction of the side, ratio of the sides, difference of the angles in degrees.
fn compare(found: &Alignment, expected: &Alignment) -> (f64, f64, f64) {
    let angle = |a: &Alignment| (a.quad[3][1] - a.quad[0][1]).atan2(a.quad[3][0] - a.quad[0][0]).to_degrees();
    let ([x, y], [ex, ey]) = (found.center(), expected.center());
    let turn = (angle(found) - angle(expected) + 180.0).rem_euclid(360.0) - 180.0;
    let side = expected.side_length();
    ((x - ex).hypot(y - ey) / side, found.side_length() / side, turn)
}

fn assert_agrees(name: &str, found: &[Alignment], expected: &Alignment, degrees: f64) {
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    let (center, side, turn) = compare(&found[0], expected);
    println!("{name}: center {center:.3}, side {side:.3}, angle {turn:.2}°");
    assert!(
        center < 0.03 && (side - 1.0).abs() < 0.06 && turn.abs() < degrees,
        "{name}: {center} {side} {turn}"
    );
}

#[test]
fn small_faces_in_large_photos_are_aligned() {
    let finder = finder();
    let (original, seconds) = alignments(&finder, astronaut());
    println!("512 × 512: {seconds:.2} s");
    for (face, [width, height], [left, top]) in [
        (60.0, [4000, 3000], [2900, 1710]),
        (60.0, [512, 15_000], [90, 11_300]),
        (90.0, [6000, 4000], [1230, 2222]),
    ] {
        let scale = face / FACE;
        let side = (512.0 * scale) as u32;
        let small = imageops::resize(&astronaut(), side, side, FilterType::CatmullRom);
        let mut large = RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x / 40 % 60) as u8 + 90, (y / 50 % 40) as u8 + 100, 110])
        });
        imageops::replace(&mut large, &small, left, top);
        let scale = f64::from(side) / 512.0;
        let expected = Alignment {
            quad: original[0].quad.map(|[x, y]| [x * scale + left as f64, y * scale + top as f64]),
        };
        let (found, seconds) = alignments(&finder, large);
        println!("{face} px in {width} × {height}: {seconds:.2} s, {} faces", found.len());
        assert_agrees(&format!("{face} px in {width} × {height}"), &found, &expected, 2.0);
    }
}

#[test]
fn turned_photos_are_aligned_upright() {
    let finder = finder();
    let photo = astronaut();
    let (original, _) = alignments(&finder, photo.clone());
    let quad = original[0].quad;
    // Where a point of the photo is after the turn.
    type Turn = fn([f64; 2]) -> [f64; 2];
    let turns: [(&str, RgbImage, Turn); 3] = [
        ("90°", imageops::rotate90(&photo), |[x, y]| [512.0 - y, x]),
        ("180°", imageops::rotate180(&photo), |[x, y]| [512.0 - x, 512.0 - y]),
        ("270°", imageops::rotate270(&photo), |[x, y]| [y, 512.0 - x]),
    ];
    for (name, pixels, turn) in turns {
        let (found, seconds) = alignments(&finder, pixels);
        println!("{name}: {seconds:.2} s");
        assert_agrees(name, &found, &Alignment { quad: quad.map(turn) }, 2.0);
    }
}
